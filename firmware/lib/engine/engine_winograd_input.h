// Private to the engine: the transformed input of engine_winograd.
#ifndef ENGINE_WINOGRAD_INPUT_H
#define ENGINE_WINOGRAD_INPUT_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// Words of a transformed pair of tiles, for each plane and each two channels one of the left tile, one of the right.
static inline int32_t engine_winograd_pair_words(const struct engine_winograd *layer) {
    return ENGINE_WINOGRAD_PLANES * layer->input.channels;
}

// Transform `count` pairs of tiles from pair `first` on, whose input starts at row `top`; they lie one after the other
// in `values`. `columns` is for 4 * count + 2 columns of 4 pixels as int16, and a pixel.
void engine_winograd_input(const struct engine_winograd *layer, const struct engine_rows *input, int32_t top,
    int32_t first, int32_t count, uint32_t *values, uint32_t *columns);

#ifdef __cplusplus
}
#endif

#endif
