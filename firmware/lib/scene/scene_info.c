// Who the board is: HELLO in as few bytes as possible, for bad lines, and INFO in pieces.
#include "scene_internal.h"

#include <string.h>

size_t scene_image_bytes(const struct scene *scene) {
    return (size_t)scene->bundle->frontend->mels * scene->bundle->frontend->frames;
}

static void answer_str8(struct scene_answer *answer, const char *string) {
    size_t length = strlen(string);
    scene_answer_u8(answer, (uint8_t)length);
    scene_answer_put(answer, string, length);
}

static void answer_labels(struct scene_answer *answer, const struct scene_bundle *bundle) {
    size_t length = bundle->classes - 1u; // the TABs
    for (size_t i = 0; i < bundle->classes; i++) {
        length += strlen(bundle->labels[i]);
    }
    scene_answer_u16(answer, (uint16_t)length);
    for (size_t i = 0; i < bundle->classes; i++) {
        if (i > 0) {
            scene_answer_u8(answer, '\t');
        }
        scene_answer_put(answer, bundle->labels[i], strlen(bundle->labels[i]));
    }
}

static void describe(const struct scene *scene, struct scene_answer *answer) {
    const struct scene_bundle *bundle = scene->bundle;
    scene_answer_u8(answer, LINK_VERSION);
    scene_answer_put(answer, bundle->identity, SCENE_IDENTITY_BYTES);
    scene_answer_u32(answer, scene->port.clock_hz);
    scene_answer_u32(answer, bundle->frontend->sample_rate);
    scene_answer_u32(answer, bundle->frontend->clip_samples);
    scene_answer_u16(answer, bundle->frontend->mels);
    scene_answer_u16(answer, bundle->frontend->frames);
    scene_answer_u8(answer, bundle->classes);
    scene_answer_u8(answer, (uint8_t)bundle->output_kind);
    scene_answer_f32(answer, bundle->output_scale);
    scene_answer_u32(answer, (uint32_t)bundle->output_zero_point);
    scene_answer_u32(answer, LINK_MAX_PAYLOAD);
    answer_str8(answer, scene->port.board);
    answer_str8(answer, scene->port.firmware);
    answer_str8(answer, bundle->name);
    answer_labels(answer, bundle);
    answer_str8(answer, scene->port.build);
}

// Makes the answer the description's bytes from `offset` on, and returns how many bytes the whole description has.
static size_t describe_from(const struct scene *scene, size_t offset, struct scene_answer *answer) {
    answer->skip = offset;
    describe(scene, answer);
    return offset - answer->skip + answer->length + answer->left_out;
}

enum scene_status scene_hello(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    if (!scene->bundle_is_whole) {
        static const uint8_t unknown[SCENE_HELLO_BYTES] = {0};
        scene_answer_put(answer, unknown, sizeof unknown);
        return SCENE_STATUS_OK;
    }
    struct scene_answer measured = {.bytes = answer->bytes};
    const size_t described = describe_from(scene, 0, &measured);
    scene_answer_put(answer, scene->bundle->identity, SCENE_IDENTITY_BYTES);
    scene_answer_u16(answer, (uint16_t)scene_image_bytes(scene));
    scene_answer_u8(answer, scene->bundle->classes);
    scene_answer_u16(answer, (uint16_t)described);
    return SCENE_STATUS_OK;
}

enum scene_status scene_info(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    const size_t offset = read_u16(request.payload), count = read_u16(request.payload + 2);
    if (count == 0 || count > SCENE_MAX_ANSWER) {
        return SCENE_STATUS_BAD_VALUE;
    }
    if (offset + count > describe_from(scene, offset, answer)) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    answer->length = count;
    answer->left_out = 0;
    return SCENE_STATUS_OK;
}
