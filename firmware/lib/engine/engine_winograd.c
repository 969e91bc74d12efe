// CONV_2D of 3 x 3 by Winograd's F(2 x 2, 3 x 3), two rows at a time.
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1: with g the weights and d a tile
// of the input, Y = A^T [(G g G^T) * (B^T d B)] A. The compiler has transformed the weights with 2 G: sums are 4 Y.
#include "engine_requantise.h"
#include "engine_view.h"
#include "engine_winograd_block.h"
#include "engine_winograd_input.h"

enum { ROWS = 2, COLUMNS = 4 }; // pixels of a block: two tiles of 2 x 2, side by side

// The part of a block that lies inside the output: its first pixel, and how many rows, columns and channels it has.
struct part {
    int8_t *output;
    int32_t rows;
    int32_t columns;
    int32_t channels;
};

// Finish a block that is not whole: copy the part that exists.
ENGINE_NOINLINE static void finish_part(
    const struct engine_shape *shape, const uint32_t *sums, const struct engine_panel *panel, const struct part *part) {
    int8_t results[ROWS][COLUMNS][ENGINE_CONV_CHANNELS];
    engine_winograd_finish(sums, panel, results[0][0], results[1][0], ENGINE_CONV_CHANNELS);
    for (int32_t row = 0; row < part->rows; row++) {
        for (int32_t column = 0; column < part->columns; column++) {
            int8_t *const pixel = part->output + (row * shape->width + column) * shape->channels;
            memcpy(pixel, results[row][column], (size_t)part->channels);
        }
    }
}

void engine_winograd(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    const struct engine_winograd *const layer = parameters;
    const struct engine_shape *const shape = &layer->output;
    const int32_t y = step * ROWS, pairs = (shape->width + COLUMNS - 1) / COLUMNS;
    const int32_t depth = shape->channels, row_bytes = shape->width * depth;
    const int32_t pair_words = engine_winograd_pair_words(layer);
    const int32_t panel_words = pair_words / ENGINE_BLOCK_PIXELS * ENGINE_CONV_CHANNELS;
    const struct engine_plane plane = engine_plane(layer->input.channels / 2);
    const int32_t copies = layer->chunk > 1; // weights that are used only once are read where they lie
    uint32_t *const values = scratch, *const copy = values + layer->chunk * pair_words;
    uint32_t *const sums = copy + (copies ? panel_words : 0);
    struct part part = {.rows = engine_smaller(ROWS, shape->height - y)};
    for (int32_t first = 0; first < pairs; first += layer->chunk) {
        const int32_t count = engine_smaller(layer->chunk, pairs - first);
        const uint32_t *weights = layer->weights;
        const struct engine_panel *panel = layer->panels;
        engine_winograd_input(layer, input, y - layer->padding_top, first, count, values, sums + ENGINE_WINOGRAD_SUMS);
        for (int32_t channel = 0; channel < depth; channel += ENGINE_CONV_CHANNELS) {
            part.channels = engine_smaller(ENGINE_CONV_CHANNELS, depth - channel);
            if (copies) {
                engine_winograd_copy(weights, panel_words, copy);
            }
            for (int32_t pair = 0; pair < count; pair++) {
                const int32_t x = (first + pair) * COLUMNS;
                part.output = output + x * depth + channel;
                part.columns = engine_smaller(COLUMNS, shape->width - x);
                engine_winograd_block(copies ? copy : weights, values + pair * pair_words, &plane, sums);
                if (part.rows * part.columns * part.channels == ROWS * COLUMNS * ENGINE_CONV_CHANNELS) {
                    engine_winograd_finish(sums, panel, part.output, part.output + row_bytes, depth);
                } else {
                    finish_part(shape, sums, panel, &part);
                }
            }
            weights += panel_words;
            panel++;
        }
    }
    engine_clamp_bytes(output, part.rows * row_bytes, layer->result.minimum, layer->result.maximum);
}
