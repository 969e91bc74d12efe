// One clip through the firmware's front end in one call; the caller owns `struct frontend_host`.
#ifndef FRONTEND_HOST_H
#define FRONTEND_HOST_H

#include "frontend.h"
#include "frontend_tables.h"

struct frontend_host {
    struct frontend frontend;
    int16_t history[FRONTEND_HISTORY_SAMPLES];
    float work[FRONTEND_WORK_FLOATS];
    float column[FRONTEND_MELS];
};

size_t frontend_host_bytes(void);

// Float log-mel image [mels][frames] of a whole clip, what happens at its end included.
enum frontend_status frontend_host_log_mel(struct frontend_host *host, const int16_t *pcm, float *image);

// Frames of the last clip that took the exact FFT.
uint32_t frontend_host_exact_frames(const struct frontend_host *host);

// INT8 features [mels][frames] of a clip that comes in chunks of the given sizes.
enum frontend_status frontend_host_features(
    struct frontend_host *host, const int16_t *pcm, const uint32_t *chunks, size_t chunk_count, int8_t *features);

// INT8 features that move along continuous audio, after chunks of the given sizes. FRONTEND_BAD_CONFIG where the
// configuration cannot follow.
enum frontend_status frontend_host_follow(
    struct frontend_host *host, const int16_t *pcm, const uint32_t *chunks, size_t chunk_count, int8_t *features);

// One frame's values up to a stage, from win_length samples, into `values` [n_fft], or [mels] if more; returns how many
// there are, 0 where the tables are refused.
size_t frontend_host_stage(
    struct frontend_host *host, const int16_t *samples, enum frontend_stage stage, float *values);

#endif
