// Where the time of an inference goes, layer by layer.
#include "scene_internal.h"

#define MAX_TICKS 255 // in one answer

enum status profile_run(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    const struct scene_bundle *bundle = scene->bundle;
    // the outputs lie behind the three numbers; those in memory.outputs belong to the last clip
    int8_t *outputs = (int8_t *)answer->bytes + 2 * sizeof(uint32_t) + sizeof(uint16_t);
    uint32_t begin = scene->port.cycles();
    bundle->profile(scene->memory.arena, scene->memory.image, outputs, scene->port.cycles, scene->memory.ticks);
    uint32_t end = scene->port.cycles();
    ++scene->inferences;
    scene->profiled = true;
    answer_u32(answer, scene->frontend_cycles);
    answer_u32(answer, end - begin);
    answer_u16(answer, bundle->layers);
    answer->length += bundle->classes;
    return STATUS_OK;
}

enum status profile_read(struct scene *scene, struct request request, struct answer *answer) {
    size_t offset = read_u16(request.payload);
    size_t count = read_u16(request.payload + 2);
    if (count == 0 || count > MAX_TICKS) {
        return STATUS_BAD_VALUE;
    }
    if (!scene->profiled) {
        return STATUS_BAD_STATE;
    }
    if (offset + count > scene->bundle->layers) {
        return STATUS_BAD_OFFSET;
    }
    for (size_t i = offset; i < offset + count; ++i) {
        answer_u32(answer, scene->memory.ticks[i]);
    }
    return STATUS_OK;
}
