// Clips and streams: samples through the front end as they come, the model at each clip's end.
#include "scene_internal.h"

#define SAMPLE_BYTES sizeof(int16_t)
#define SOURCE_SERIAL 0
#define PIECE 64 // samples that go to the front end at once

static void begin_clip(struct scene *scene) {
    scene->clip_position = 0;
    scene->frontend_cycles = 0;
    frontend_begin(&scene->frontend);
}

static void begin_audio(struct scene *scene, enum scene_state state) {
    scene->state = state;
    scene->position = 0;
    begin_clip(scene);
}

// Whether all samples of the current clip are in.
static bool clip_is_full(const struct scene *scene) {
    return scene->clip_position == scene->bundle->frontend->clip_samples;
}

// Pushes at most `count` little-endian samples, not beyond the clip's end; returns how many.
static size_t feed(struct scene *scene, const uint8_t *samples, size_t count) {
    int16_t piece[PIECE];
    size_t room = scene->bundle->frontend->clip_samples - scene->clip_position;
    size_t taken = count < room ? count : room;
    taken = taken < PIECE ? taken : PIECE;
    for (size_t i = 0; i < taken; ++i) {
        piece[i] = (int16_t)read_u16(samples + SAMPLE_BYTES * i);
    }
    uint32_t begin = scene->port.cycles();
    (void)frontend_feed(&scene->frontend, piece, taken, scene->memory.image); // fails only beyond the clip's end
    scene->frontend_cycles += scene->port.cycles() - begin;
    scene->clip_position += (uint32_t)taken;
    scene->position += (uint32_t)taken;
    return taken;
}

// A finished clip of a stream: says its result and goes on with the next one.
static void finish_streamed_clip(struct scene *scene) {
    (void)run_model(scene, scene->memory.outputs);
    text_result(scene);
    begin_clip(scene);
}

// AUDIO_WRITE and STREAM_WRITE: the samples of a chunk that are next; of one that came before, none.
static enum status write_samples(struct scene *scene, struct request request, enum scene_state state) {
    uint32_t offset = read_u32(request.payload);
    const uint8_t *samples = request.payload + sizeof offset;
    size_t count = (request.bytes - sizeof offset) / SAMPLE_BYTES;
    if (request.bytes % SAMPLE_BYTES != 0) {
        return STATUS_BAD_LENGTH;
    }
    if (scene->state != state) {
        return STATUS_BAD_STATE;
    }
    if (state == SCENE_CLIP && (uint64_t)offset + count > scene->bundle->frontend->clip_samples) {
        return STATUS_BAD_OFFSET;
    }
    if (offset != scene->position) {
        // modulo 2^32, as a stream may last longer than that
        bool repeated = (int32_t)(offset + (uint32_t)count - scene->position) <= 0;
        return repeated ? STATUS_OK : STATUS_BAD_OFFSET;
    }
    while (count > 0) {
        size_t taken = feed(scene, samples, count);
        samples += SAMPLE_BYTES * taken;
        count -= taken;
        if (state == SCENE_STREAM && clip_is_full(scene)) {
            finish_streamed_clip(scene);
        }
    }
    return STATUS_OK;
}

enum status audio_begin(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    (void)answer;
    begin_audio(scene, SCENE_CLIP);
    return STATUS_OK;
}

enum status audio_write(struct scene *scene, struct request request, struct answer *answer) {
    (void)answer;
    return write_samples(scene, request, SCENE_CLIP);
}

enum status audio_end(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    if (scene->state == SCENE_CLIP && clip_is_full(scene)) {
        scene->clip_model_cycles = run_model(scene, scene->memory.outputs);
        scene->state = SCENE_DONE;
    }
    if (scene->state != SCENE_DONE) {
        return STATUS_BAD_STATE;
    }
    answer_u32(answer, microseconds(scene, scene->frontend_cycles));
    answer_u32(answer, microseconds(scene, scene->clip_model_cycles));
    answer_put(answer, scene->memory.outputs, scene->bundle->classes);
    return STATUS_OK;
}

enum status stream_start(struct scene *scene, struct request request, struct answer *answer) {
    (void)answer;
    if (request.payload[0] != SOURCE_SERIAL) {
        return STATUS_BAD_VALUE;
    }
    begin_audio(scene, SCENE_STREAM);
    return STATUS_OK;
}

enum status stream_write(struct scene *scene, struct request request, struct answer *answer) {
    (void)answer;
    return write_samples(scene, request, SCENE_STREAM);
}

enum status stream_stop(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    (void)answer;
    if (scene->state == SCENE_STREAM) {
        scene->state = SCENE_IDLE;
    }
    return STATUS_OK;
}
