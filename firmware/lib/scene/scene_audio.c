// Clips, and the samples that come in chunks over the serial port: through the front end as they come.
#include "scene_internal.h"

#include "crc32.h"

#define SAMPLE_BYTES sizeof(int16_t)
#define PIECE 64 // samples that are decoded at once

// Whether all samples of the clip are in.
static bool clip_is_full(const struct scene *scene) {
    return scene->position == scene->bundle->frontend->clip_samples;
}

static void clip_samples(struct scene *scene, const int16_t *samples, size_t count) {
    uint32_t begin = scene->port.cycles();
    (void)frontend_feed(&scene->frontend, samples, count, scene->memory.image); // fails only beyond the clip's end
    scene->frontend_cycles += scene->port.cycles() - begin;
    scene->position += (uint32_t)count;
}

// AUDIO_WRITE and STREAM_WRITE: takes a chunk's samples if they are next, and ignores a chunk that came before.
static enum scene_status write_samples(struct scene *scene, struct scene_request request, enum scene_state state) {
    uint32_t offset = read_u32(request.payload);
    const uint8_t *samples = request.payload + sizeof offset;
    size_t count = (request.bytes - sizeof offset) / SAMPLE_BYTES;
    if (request.bytes % SAMPLE_BYTES != 0) {
        return SCENE_STATUS_BAD_LENGTH;
    }
    if (scene->state != state || (state == SCENE_STREAM && scene->stream.options.source != SCENE_SOURCE_SERIAL)) {
        return SCENE_STATUS_BAD_STATE;
    }
    if (state == SCENE_CLIP && (uint64_t)offset + count > scene->bundle->frontend->clip_samples) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    if (offset != scene->position) {
        // modulo 2^32, as a stream may last longer than that
        bool repeated = (int32_t)(offset + (uint32_t)count - scene->position) <= 0;
        return repeated ? SCENE_STATUS_OK : SCENE_STATUS_BAD_OFFSET;
    }
    if (state == SCENE_CLIP) {
        scene->samples_crc = crc32(scene->samples_crc, samples, SAMPLE_BYTES * count);
    }
    while (count > 0) {
        int16_t piece[PIECE];
        size_t taken = count < PIECE ? count : PIECE;
        for (size_t i = 0; i < taken; i++) {
            piece[i] = (int16_t)read_u16(samples + SAMPLE_BYTES * i);
        }
        if (state == SCENE_CLIP) {
            clip_samples(scene, piece, taken);
        } else {
            scene_stream_samples(scene, piece, taken);
        }
        samples += SAMPLE_BYTES * taken;
        count -= taken;
    }
    return SCENE_STATUS_OK;
}

enum scene_status scene_audio_begin(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    (void)answer;
    scene_stream_leave(scene);
    scene->state = SCENE_CLIP;
    scene->position = 0;
    scene->samples_crc = 0;
    scene->frontend_cycles = 0;
    frontend_begin(&scene->frontend);
    return SCENE_STATUS_OK;
}

enum scene_status scene_audio_write(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    return write_samples(scene, request, SCENE_CLIP);
}

enum scene_status scene_audio_end(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    if (scene->state == SCENE_CLIP && clip_is_full(scene)) {
        scene->clip_model_cycles = scene_run_model(scene, scene->memory.outputs);
        scene->image_crc = scene_image_crc(scene);
        scene->state = SCENE_DONE;
    }
    if (scene->state != SCENE_DONE) {
        return SCENE_STATUS_BAD_STATE;
    }
    scene_answer_u32(answer, scene_microseconds(scene, scene->frontend_cycles));
    scene_answer_u32(answer, scene_microseconds(scene, scene->clip_model_cycles));
    scene_answer_u32(answer, scene->samples_crc);
    scene_answer_u32(answer, scene->image_crc);
    scene_answer_put(answer, scene->memory.outputs, scene->bundle->classes);
    return SCENE_STATUS_OK;
}

enum scene_status scene_stream_write(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    return write_samples(scene, request, SCENE_STREAM);
}
