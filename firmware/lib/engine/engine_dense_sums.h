// Private to the engine: the sums of a panel of dense outputs, where FULLY_CONNECTED spends its time.
#ifndef ENGINE_DENSE_SUMS_H
#define ENGINE_DENSE_SUMS_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// Sum products over `quads` quads of the depth, at least one. Weights as engine_dense has them, at a multiple of four
// bytes; of the values for each quad 0 and 2, then 1 and 3, as pairs of int16.
void engine_dense_sums(
    const int8_t *weights, const uint32_t *values, int32_t quads, int32_t sums[ENGINE_CONV_CHANNELS]);

#ifdef __cplusplus
}
#endif

#endif
