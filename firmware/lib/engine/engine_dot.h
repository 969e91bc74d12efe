// Private to the engine: the sums of a block, 4 output channels by 2 pixels, where a convolution spends its time.
#ifndef ENGINE_DOT_H
#define ENGINE_DOT_H

#include "engine.h"

enum { ENGINE_DOT_PIXELS = 2, ENGINE_DOT_SUMS = ENGINE_CONV_CHANNELS * ENGINE_DOT_PIXELS };

// How the values of a window lie in memory: `runs` stretches of `run_bytes`, `gap_bytes` from the end of one to the
// start of the next. A step of a run is a pair of int16 for the left pixel and a pair for the right one, 8 bytes.
struct engine_dot {
    int32_t run_bytes;
    int32_t gap_bytes;
    int32_t runs;
    int32_t skip_bytes; // of code: into the unrolled loop, so that the run ends with it
};

// Describe `runs` runs of `run_steps` steps, their starts `distance_bytes` apart.
struct engine_dot engine_dot_shape(int32_t runs, int32_t run_steps, int32_t distance_bytes);

// sums[2 * channel + pixel] = bias[channel] + the products of the weights (for each step four pairs of int16, one for
// each channel) with the values, wrapping.
void engine_dot(const uint32_t *weights, const uint32_t *values, const struct engine_dot *shape, const int32_t *bias,
    int32_t *sums);

#endif
