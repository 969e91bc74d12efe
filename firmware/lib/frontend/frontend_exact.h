// The power spectrum of a frame with twice float32's precision; private to the library and its tests.
#ifndef FRONTEND_EXACT_H
#define FRONTEND_EXACT_H

#include "frontend_window.h"

#ifdef __cplusplus
extern "C" {
#endif

// Writes what frontend_power() leaves in `spectrum`, [n_fft / 2 + 1], of the same windowed frame. `work` holds
// 2 n_fft floats, and `spectrum` may lie in it.
void frontend_exact_power(
    const struct frontend_config *config, const struct frontend_frame *frame, float *work, float *spectrum);

#ifdef __cplusplus
}
#endif

#endif
