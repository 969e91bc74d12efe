// Private to the engine: how a convolution's input rows become the stretches of values that engine_dot reads.
#ifndef ENGINE_CONV_INPUT_H
#define ENGINE_CONV_INPUT_H

#include "engine.h"

// ENGINE_ROWS: widen the window's input rows, the first of them row `top`, into layer->window.height rows of
// layer->row_words words.
void engine_widen_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows);

// ENGINE_PATCHES: pack the window's input rows, the first of them row `top`, two by two into rows of layer->row_words
// words.
void engine_pack_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows);

// ENGINE_PATCHES: copy together the windows of two pixels, in column `left` and column `right` of the convolution, from
// packed rows into one run of layer->run_steps steps.
void engine_copy_patches(
    const struct engine_conv2d *layer, const uint32_t *rows, int32_t left, int32_t right, uint32_t *patch);

#endif
