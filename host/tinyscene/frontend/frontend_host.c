// One clip through the firmware's front end, for calls from Python (host.py) and for test images.
#include "frontend_host.h"

#include <string.h>

size_t frontend_host_bytes(void) {
    return sizeof(struct frontend_host);
}

uint32_t frontend_host_exact_frames(const struct frontend_host *host) {
    return host->frontend.exact_frames;
}

static enum frontend_status begin(struct frontend_host *host) {
    return frontend_init(
        &host->frontend, &frontend_tables, host->history, FRONTEND_HISTORY_SAMPLES, host->work, FRONTEND_WORK_FLOATS);
}

enum frontend_status frontend_host_log_mel(struct frontend_host *host, const int16_t *pcm, float *image) {
    const enum frontend_status status = begin(host);
    size_t left = FRONTEND_CLIP_SAMPLES, frame = 0;
    while (status == FRONTEND_OK && !frontend_complete(&host->frontend)) {
        const size_t taken = frontend_push(&host->frontend, pcm, left);
        pcm += taken;
        left -= taken;
        for (; frontend_frame(&host->frontend, host->column); frame++) {
            for (size_t m = 0; m < FRONTEND_MELS; m++) {
                image[m * FRONTEND_FRAMES + frame] = host->column[m];
            }
        }
    }
    if (status == FRONTEND_OK) {
        frontend_finish_image(&frontend_tables, image);
    }
    return status;
}

enum frontend_status frontend_host_features(
    struct frontend_host *host, const int16_t *pcm, const uint32_t *chunks, size_t chunk_count, int8_t *features) {
    enum frontend_status status = begin(host);
    for (size_t i = 0; status == FRONTEND_OK && i < chunk_count; i++) {
        status = frontend_feed(&host->frontend, pcm, chunks[i], features);
        pcm += chunks[i];
    }
    return status;
}

enum frontend_status frontend_host_follow(
    struct frontend_host *host, const int16_t *pcm, const uint32_t *chunks, size_t chunk_count, int8_t *features) {
    const enum frontend_status status = frontend_can_follow(&frontend_tables) ? begin(host) : FRONTEND_BAD_CONFIG;
    for (size_t i = 0; status == FRONTEND_OK && i < chunk_count; i++) {
        const int16_t *const end = pcm + chunks[i];
        bool moved = true;
        while (pcm < end || moved) {
            pcm += frontend_follow(&host->frontend, pcm, (size_t)(end - pcm), features, &moved);
        }
    }
    return status;
}

size_t frontend_host_stage(
    struct frontend_host *host, const int16_t *samples, enum frontend_stage stage, float *values) {
    size_t count = 0;
    if (begin(host) == FRONTEND_OK) {
        const float *computed = frontend_probe(&host->frontend, samples, stage, &count);
        memcpy(values, computed, count * sizeof *values);
    }
    return count;
}
