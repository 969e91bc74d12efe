// Private to the engine: from int8 to int16, in the order in which engine_block reads weights and values.
#ifndef ENGINE_WIDEN_H
#define ENGINE_WIDEN_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// Widen `steps` steps of a panel's int8 weights.
void engine_widen_panel(const int8_t *packed, int32_t steps, uint32_t *panel);

// Widen `count` values of a left and of a right pixel, a multiple of 4 and not 0, minus a pair of zero points: for each
// quad, values 0 and 2 of both, then values 1 and 3 of both.
void engine_widen_pixels(const int8_t *left, const int8_t *right, int32_t count, uint32_t zero_point, uint32_t *target);

#ifdef __cplusplus
}
#endif

#endif
