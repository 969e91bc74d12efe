// A frame of samples with its padding, and that frame windowed; private to the library and its tests.
#ifndef FRONTEND_WINDOW_H
#define FRONTEND_WINDOW_H

#include "frontend.h"

#ifdef __cplusplus
extern "C" {
#endif

// The samples under the window of a frame: those of [inside, beyond) are there, all others are padding.
struct frontend_frame {
    const int16_t *samples; // sample i of the window is samples[first + i]
    int32_t first;
    int32_t inside, beyond;
    enum frontend_padding padding;
    bool mirrors_twice; // the last one is mirrored once more: see frontend.c
};

// Sample i of the window, padding included: 0 <= i < win_length.
int16_t frontend_frame_sample(const struct frontend_config *config, const struct frontend_frame *frame, int32_t i);

// Writes the windowed frame, less its neighbours: [n_fft], the window in the middle. Full scale is near 2^30. Quieter
// frames are shifted towards that; returns by how many bits.
uint32_t frontend_window(const struct frontend_config *config, const struct frontend_frame *frame, float *signal);

// How many of the n_fft - win_length zeros lie before the window.
uint32_t frontend_window_offset(const struct frontend_config *config);

#ifdef __cplusplus
}
#endif

#endif
