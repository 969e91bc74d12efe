// Answers, put together field by field: see docs/PROTOCOL.md.
#include "scene_internal.h"

#include <string.h>

void scene_answer_put(struct scene_answer *answer, const void *bytes, size_t count) {
    if (count > SCENE_MAX_ANSWER - answer->length) {
        answer->overflow = true;
        return;
    }
    memcpy(answer->bytes + answer->length, bytes, count);
    answer->length += count;
}

void scene_answer_u8(struct scene_answer *answer, uint8_t value) {
    scene_answer_put(answer, &value, sizeof value);
}

void scene_answer_u16(struct scene_answer *answer, uint16_t value) {
    uint8_t bytes[sizeof value];
    write_u16(bytes, value);
    scene_answer_put(answer, bytes, sizeof bytes);
}

void scene_answer_u32(struct scene_answer *answer, uint32_t value) {
    uint8_t bytes[sizeof value];
    write_u32(bytes, value);
    scene_answer_put(answer, bytes, sizeof bytes);
}

void scene_answer_f32(struct scene_answer *answer, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    scene_answer_u32(answer, bits);
}
