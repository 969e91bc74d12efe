// Answers, put together field by field: see docs/PROTOCOL.md.
#include "scene_internal.h"

#include <string.h>

void scene_answer_put(struct scene_answer *answer, const void *bytes, size_t count) {
    const size_t room = SCENE_MAX_ANSWER - answer->length;
    const size_t skipped = count < answer->skip ? count : answer->skip;
    const size_t taken = count - skipped < room ? count - skipped : room;
    memcpy(answer->bytes + answer->length, (const uint8_t *)bytes + skipped, taken);
    answer->length += taken;
    answer->skip -= skipped;
    answer->left_out += count - skipped - taken;
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
