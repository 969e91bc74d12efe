// The model's runs: how long one takes, as a whole and layer by layer.
#include "scene_internal.h"

#include "crc32.h"

#define MAX_TICKS 255 // layers in one answer

uint32_t scene_microseconds(const struct scene *scene, uint32_t cycles) {
    return (uint32_t)((uint64_t)cycles * 1000000u / scene->port.clock_hz);
}

uint32_t scene_run_model(struct scene *scene, int8_t *outputs) {
    uint32_t begin = scene->port.cycles();
    scene->bundle->run(scene->memory.arena, scene->memory.image, outputs);
    scene->inferences++;
    return scene->port.cycles() - begin;
}

uint32_t scene_image_crc(const struct scene *scene) {
    return crc32(0, (const uint8_t *)scene->memory.image, scene_image_bytes(scene));
}

enum scene_status scene_profile_run(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    const struct scene_bundle *bundle = scene->bundle;
    // the outputs lie behind the four numbers; those in memory.outputs belong to the last clip
    int8_t *outputs = (int8_t *)answer->bytes + 3 * sizeof(uint32_t) + sizeof(uint16_t);
    uint32_t begin = scene->port.cycles();
    bundle->profile(scene->memory.arena, scene->memory.image, outputs, scene->port.cycles, scene->memory.ticks);
    uint32_t end = scene->port.cycles();
    scene->inferences++;
    scene->profiled = true;
    scene_answer_u32(answer, scene->frontend_cycles);
    scene_answer_u32(answer, end - begin);
    scene_answer_u16(answer, bundle->layers);
    scene_answer_u32(answer, scene_image_crc(scene));
    answer->length += bundle->classes;
    return SCENE_STATUS_OK;
}

enum scene_status scene_profile_read(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    size_t offset = read_u16(request.payload);
    size_t count = read_u16(request.payload + 2);
    if (count == 0 || count > MAX_TICKS) {
        return SCENE_STATUS_BAD_VALUE;
    }
    if (!scene->profiled) {
        return SCENE_STATUS_BAD_STATE;
    }
    if (offset + count > scene->bundle->layers) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    for (size_t i = offset; i < offset + count; i++) {
        scene_answer_u32(answer, scene->memory.ticks[i]);
    }
    return SCENE_STATUS_OK;
}
