// One frame of the front end, stage by stage, for comparing a board with the host.
#include "scene_internal.h"

#define SAMPLE_BYTES sizeof(int16_t)
#define MAX_VALUES ((LINK_MAX_PAYLOAD - 1 - sizeof(uint16_t)) / sizeof(float)) // after the status and the total

// The samples lie in the front end's history, where a clip's would be.
enum scene_status scene_probe_write(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    size_t offset = read_u16(request.payload);
    const uint8_t *samples = request.payload + sizeof(uint16_t);
    size_t count = (request.bytes - sizeof(uint16_t)) / SAMPLE_BYTES;
    if (request.bytes % SAMPLE_BYTES != 0) {
        return SCENE_STATUS_BAD_LENGTH;
    }
    if (offset + count > scene->bundle->frontend->win_length) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    scene_stream_leave(scene);
    for (size_t i = 0; i < count; i++) {
        scene->memory.history[offset + i] = (int16_t)read_u16(samples + SAMPLE_BYTES * i);
    }
    return SCENE_STATUS_OK;
}

// Computes the frame again each time, so that a repeated request gives the same answer and nothing has to be kept.
enum scene_status scene_probe_read(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    uint8_t stage = request.payload[0];
    size_t offset = read_u16(request.payload + 1), count = read_u16(request.payload + 3), total;
    if (stage > FRONTEND_STAGE_LOG || count == 0 || count > MAX_VALUES) {
        return SCENE_STATUS_BAD_VALUE;
    }
    scene_stream_leave(scene);
    const float *values = frontend_probe(&scene->frontend, scene->memory.history, (enum frontend_stage)stage, &total);
    if (offset >= total) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    count = count < total - offset ? count : total - offset;
    scene_answer_u16(answer, (uint16_t)total);
    for (size_t i = 0; i < count; i++) {
        scene_answer_f32(answer, values[offset + i]);
    }
    return SCENE_STATUS_OK;
}
