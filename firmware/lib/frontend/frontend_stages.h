// The steps of one frame, and of a clip's end, without state; private to the library and its tests.
#ifndef FRONTEND_STAGES_H
#define FRONTEND_STAGES_H

#include "frontend.h"

// Magnitude (power 1) or its square (power 2) of a spectrum as frontend_fft_transform leaves it, in place:
// n_fft / 2 + 1 bins.
void frontend_power(const struct frontend_config *config, float *spectrum);

// Weighs the bins with the triangular filters: [n_fft / 2 + 1] -> [mels].
void frontend_mel(const struct frontend_config *config, const float *bins, float *column);

// Takes the logarithm in the configuration's units, in place: [mels].
void frontend_log(const struct frontend_config *config, float *column);

#endif
