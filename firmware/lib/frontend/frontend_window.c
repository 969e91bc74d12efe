// Windows a frame in integers and takes the difference of neighbouring samples: see frontend_window.h and frontend.h.
#include "frontend_window.h"

#include <string.h>

uint32_t frontend_window_offset(const struct frontend_config *config) {
    return (uint32_t)(config->n_fft - config->win_length) / 2;
}

int16_t frontend_frame_sample(const struct frontend_config *config, const struct frontend_frame *frame, int32_t i) {
    const int32_t last = frame->beyond - 1;
    int32_t place = i;
    if (i < frame->inside || i > last) {
        if (frame->padding != FRONTEND_REFLECT_PADDING) {
            return 0;
        }
        place = i < frame->inside ? 2 * frame->inside - i : 2 * last - i;
        if (frame->mirrors_twice && i == config->win_length - 1) {
            place = 1;
        }
    }
    return frame->samples[frame->first + place];
}

// The upper 32 of the product's 48 bits: one instruction of the Cortex-M4.
static inline int32_t windowed(int32_t window, int16_t sample) {
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    int32_t product;
    __asm("smulwb %0, %1, %2" : "=r"(product) : "r"(window), "r"(sample));
    return product;
#else
    return (int32_t)(((int64_t)window * sample) >> 16);
#endif
}

static inline float less_previous(int32_t value, int32_t *previous) {
    const int32_t difference = value - *previous + (*previous >> FRONTEND_EMPHASIS_SHIFT);
    *previous = value;
    return (float)difference;
}

void frontend_window(const struct frontend_config *config, const struct frontend_frame *frame, float *signal) {
    const int32_t length = config->win_length, offset = (int32_t)frontend_window_offset(config);
    const int32_t *window = config->window;
    float *const end = signal + config->n_fft;
    int32_t i = 0, previous = 0;
    if (length == config->n_fft) { // the frame is a ring: before its first sample comes its last
        previous = windowed(window[length - 1], frontend_frame_sample(config, frame, length - 1));
    }
    memset(signal, 0, (size_t)offset * sizeof *signal);
    signal += offset;
    for (; i < frame->inside; ++i) {
        *signal++ = less_previous(windowed(window[i], frontend_frame_sample(config, frame, i)), &previous);
    }
    const int16_t *sample = frame->samples + frame->first + i;
#pragma GCC unroll 4
    for (; i < frame->beyond; ++i) {
        *signal++ = less_previous(windowed(window[i], *sample++), &previous);
    }
    for (; i < length; ++i) {
        *signal++ = less_previous(windowed(window[i], frontend_frame_sample(config, frame, i)), &previous);
    }
    if (signal < end) {
        *signal++ = less_previous(0, &previous);
        memset(signal, 0, (size_t)(end - signal) * sizeof *signal);
    }
}
