// The steps of one frame, and of a clip's end, without state; private to the library and its tests.
#ifndef FRONTEND_STAGES_H
#define FRONTEND_STAGES_H

#include "frontend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Magnitude (power 1) or its square (power 2) of a spectrum as frontend_fft() leaves it, in place: n_fft / 2 + 1 bins.
// Returns the frame's level: the sum of all squares, or for power 1 the square root of that.
float frontend_power(const struct frontend_config *config, float *spectrum);

// Weighs the bins with the triangular filters, and all with `scale`: [n_fft / 2 + 1] -> [mels].
void frontend_mel(const struct frontend_config *config, const float *bins, float scale, float *column);

// Whether float32 has resolved every band that a feature shows, given the frame's level.
bool frontend_is_resolved(const struct frontend_config *config, const float *column, float level);

// Takes the logarithm in the configuration's units, in place: [mels].
void frontend_log(const struct frontend_config *config, float *column);

// Standardises and quantises a column: [mels] -> every `stride`-th of `features`.
void frontend_quantise_column(
    const struct frontend_config *config, const float *column, int8_t *features, size_t stride);

#ifdef __cplusplus
}
#endif

#endif
