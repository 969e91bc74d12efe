// Private to the engine: a block, 4 output channels by 2 pixels, where a convolution spends its time.
#ifndef ENGINE_BLOCK_H
#define ENGINE_BLOCK_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ENGINE_BLOCK_PIXELS = 2, ENGINE_BLOCK_SUMS = ENGINE_CONV_CHANNELS * ENGINE_BLOCK_PIXELS };

// The windows of a block: a step is a pair of int16 for the left pixel and a pair for the right one, 8 bytes; a window
// has `bytes` bytes of steps. `columns` windows are computed, `gap_bytes` from the end of one to the start of the next,
// and the largest of each sum is kept: a max-pool, as requantisation is monotone.
struct engine_windows {
    int32_t bytes;
    int32_t columns;
    int32_t gap_bytes;
    const char *entry; // into the unrolled loop, so that the window ends with it
    int32_t *sums;     // where the sums go instead of being requantised; NULL: they are
};

// Describe `columns` windows of `steps` steps, at least one of each, that start `distance_bytes` apart.
struct engine_windows engine_windows(int32_t steps, int32_t columns, int32_t distance_bytes);

// The block's sums: biases plus the products of weights (for each step four pairs of int16, one for each channel) and
// values, wrapping. They are requantised with the panel's factors, which must be quick, and returned as int8: the left
// pixel's four channels in the lower word. With windows->sums they are stored there, [2 * channel + pixel], and the
// result means nothing.
uint64_t engine_block(const uint32_t *weights, const uint32_t *values, const struct engine_windows *windows,
    const struct engine_panel *panel);

#ifdef __cplusplus
}
#endif

#endif
