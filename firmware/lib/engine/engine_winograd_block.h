// Private to the engine: the parts of engine_winograd that work on 4 output channels and 2 tiles.
#ifndef ENGINE_WINOGRAD_BLOCK_H
#define ENGINE_WINOGRAD_BLOCK_H

#include "engine_block.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ENGINE_WINOGRAD_SUMS = ENGINE_WINOGRAD_PLANES * ENGINE_BLOCK_SUMS };

// How long a plane is.
struct engine_plane {
    int32_t bytes;     // bytes of its values
    const char *entry; // into the unrolled loop, so that the plane ends with it
};

// Describe planes of `steps` steps.
struct engine_plane engine_plane(int32_t steps);

// Copy a panel's weights out of flash, whose wait states would be paid for each pair of tiles; `words` is a
// multiple of 32.
void engine_winograd_copy(const uint32_t *weights, int32_t words, uint32_t *panel);

// Multiply and add up, plane by plane, weights (for each step four pairs of int16, one for each channel) and values
// (for each step a pair of the left tile, a pair of the right one), wrapping. The sums run on from one plane to the
// next: sums[plane][2 * channel + tile] is that of all planes up to this one.
void engine_winograd_block(
    const uint32_t *weights, const uint32_t *values, const struct engine_plane *plane, uint32_t *sums);

// Transform the sums back, add biases, requantise: to two rows of four pixels, of which each has ENGINE_CONV_CHANNELS
// values; pixels are `pixel` bytes apart. What comes back, biases included, must fit into 29 bits and a sign.
void engine_winograd_finish(
    const uint32_t *sums, const struct engine_panel *panel, int8_t *upper, int8_t *lower, int32_t pixel);

#ifdef __cplusplus
}
#endif

#endif
