// Private to the engine: how a convolution's input rows become the stretches of values that engine_block reads.
#ifndef ENGINE_CONV_INPUT_H
#define ENGINE_CONV_INPUT_H

#include "engine.h"
#include "engine_window.h"

#ifdef __cplusplus
extern "C" {
#endif

// All values come out minus the input's zero point, padding as zeros.

// ENGINE_ROWS: widen the window's input rows that are `used`, side by side: for each pixel, each row's channels. If
// `together` is more than 1, so many input rows count as one.
void engine_widen_rows(const struct engine_conv2d *layer, const struct engine_rows *input, struct engine_span used,
    int32_t together, uint32_t *rows);

// ENGINE_PATCHES: pack the window's input rows, the first of them row `top`, two by two into rows of layer->row_words
// words.
void engine_pack_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows);

// ENGINE_PATCHES: copy together, from packed rows, the windows of `count` pairs of pooled pixels from pair `first` on:
// for each pair, for each column of the pool's window, layer->steps steps.
void engine_copy_patches(
    const struct engine_conv2d *layer, const uint32_t *rows, int32_t first, int32_t count, uint32_t *patches);

#ifdef __cplusplus
}
#endif

#endif
