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

static inline uint32_t load_pair(const int16_t *samples) {
    uint32_t pair;
    memcpy(&pair, samples, sizeof pair);
    return pair;
}

// Bit k + 1 is set where bits k and k + 1 of the sample differ: the highest one that is set says where the sign begins.
static inline uint32_t bit_changes(uint32_t samples) {
    return samples ^ samples << 1;
}

// How many bits to the left every sample of the frame can be shifted.
static uint32_t headroom(const struct frontend_config *config, const struct frontend_frame *frame) {
    uint32_t changes = 0, pairs = 0;
    int32_t i = 0;
    for (; i < frame->inside; i++) {
        changes |= bit_changes((uint16_t)frontend_frame_sample(config, frame, i));
    }
    const int16_t *sample = frame->samples + frame->first + i;
#pragma GCC unroll 4
    for (; i < frame->beyond - 1; i += 2) {
        pairs |= bit_changes(load_pair(sample)); // what the lower one shifts into the upper one's bit 0 does no harm
        sample += 2;
    }
    for (; i < config->win_length; i++) {
        changes |= bit_changes((uint16_t)frontend_frame_sample(config, frame, i));
    }
    changes |= pairs | pairs >> 16;
    return (uint32_t)__builtin_clz((changes & 0xFFFF) << 16 | 0x10000); // 15 at the most
}

// The upper 32 of the 48 bits of window * sample: one instruction of the Cortex-M4, which sees the sample's lower 16
// bits only.
static inline int32_t windowed(int32_t window, uint32_t sample) {
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    int32_t product;
    __asm("smulwb %0, %1, %2" : "=r"(product) : "r"(window), "r"(sample));
    return product;
#else
    return (int32_t)(((int64_t)window * (int16_t)sample) >> 16);
#endif
}

static inline float less_previous(int32_t value, int32_t previous) {
    return (float)(value - previous + (previous >> FRONTEND_EMPHASIS_SHIFT));
}

uint32_t frontend_window(const struct frontend_config *config, const struct frontend_frame *frame, float *signal) {
    const int32_t length = config->win_length, offset = (int32_t)frontend_window_offset(config);
    const uint32_t shift = headroom(config, frame);
    const int32_t *window = config->window;
    float *const end = signal + config->n_fft;
    int32_t i = 0, value, previous = 0;
    if (length == config->n_fft) { // the frame is a ring: before its first sample comes its last
        previous = windowed(window[length - 1], (uint32_t)frontend_frame_sample(config, frame, length - 1) << shift);
    }
    memset(signal, 0, (size_t)offset * sizeof *signal);
    signal += offset;
    for (; i < frame->inside; i++) {
        value = windowed(window[i], (uint32_t)frontend_frame_sample(config, frame, i) << shift);
        *signal++ = less_previous(value, previous);
        previous = value;
    }
    const int16_t *sample = frame->samples + frame->first + i;
#pragma GCC unroll 2
    for (; i < frame->beyond - 1; i += 2) {
        const uint32_t pair = load_pair(sample);
        const int32_t even = windowed(window[i], pair << shift), odd = windowed(window[i + 1], pair >> 16 << shift);
        *signal++ = less_previous(even, previous);
        *signal++ = less_previous(odd, even);
        previous = odd;
        sample += 2;
    }
    for (; i < length; i++) {
        value = windowed(window[i], (uint32_t)frontend_frame_sample(config, frame, i) << shift);
        *signal++ = less_previous(value, previous);
        previous = value;
    }
    if (signal < end) {
        *signal++ = less_previous(0, previous);
        memset(signal, 0, (size_t)(end - signal) * sizeof *signal);
    }
    return shift;
}
