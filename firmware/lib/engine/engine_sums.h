// Private to the engine: sums over pixels, channel by channel, which averages are made of.
#ifndef ENGINE_SUMS_H
#define ENGINE_SUMS_H

#include <stdbool.h>

#include "engine.h"
#include "engine_dsp.h"

#ifdef __cplusplus
extern "C" {
#endif

// Channels of a quad, which are summed together.
enum { ENGINE_QUAD_CHANNELS = 4 };

// Pixels whose int8 values add up inside int16.
enum { ENGINE_PAIRED_PIXELS = 256 };

// The sums of a quad of channels: `even` those of channels 0 and 2, `odd` those of channels 1 and 3.
struct engine_quad_sums {
    uint32_t even, odd;
};

// Adds `count` pixels of a quad, `depth` bytes apart; a sum holds ENGINE_PAIRED_PIXELS of them at most.
static inline struct engine_quad_sums engine_sum_pixels(
    struct engine_quad_sums sums, const int8_t *pixel, int32_t count, int32_t depth) {
    for (int32_t i = 0; i < count; i++, pixel += depth) {
        const uint32_t bytes = engine_load(pixel);
        sums.even = engine_add_even_bytes(sums.even, bytes);
        sums.odd = engine_add_odd_bytes(sums.odd, bytes);
    }
    return sums;
}

// Adds the sums of a quad to those of four channels.
static inline void engine_add_quad(struct engine_quad_sums sums, int32_t *channels) {
    channels[0] += (int16_t)(sums.even & 0xFFFF);
    channels[1] += (int16_t)(sums.odd & 0xFFFF);
    channels[2] += (int16_t)(sums.even >> 16);
    channels[3] += (int16_t)(sums.odd >> 16);
}

// Adds `count` values of one channel, `depth` bytes apart, to a sum.
static inline int32_t engine_sum_values(int32_t sum, const int8_t *value, int32_t count, int32_t depth) {
    for (int32_t i = 0; i < count; i++, value += depth) {
        sum += *value;
    }
    return sum;
}

// Adds row y of an image to the sums of its `depth` channels, which start again at row 0; returns whether it was the
// last row.
bool engine_sum_row(const struct engine_rows *image, int32_t y, int32_t depth, int32_t *sums);

#ifdef __cplusplus
}
#endif

#endif
