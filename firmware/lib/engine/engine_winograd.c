// CONV_2D of 3 x 3 by Winograd's F(2 x 2, 3 x 3), two rows at a time.
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1: with g the weights and d a tile
// of the input, Y = A^T [(G g G^T) * (B^T d B)] A. The compiler has transformed the weights with 2 G: sums are 4 Y.
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"
#include "engine_winograd_block.h"
#include "engine_winograd_input.h"

enum {
    TILE = 4,
    TILE_COLUMNS = 2,
    TILES = ENGINE_BLOCK_PIXELS,
    ROWS = 2,
    COLUMNS = TILES * TILE_COLUMNS,
    SUM_BITS = 2
};

// engine_quick with its product rounded and the offset added in one instruction, which takes a doubled value. Sums come
// four times as large, so that doubled ones are half of them.
static inline int8_t finish(uint32_t sum, int32_t doubled_bias, struct engine_quick_factor factor) {
    const int32_t doubled = doubled_bias + ((int32_t)sum >> 1);
    const int32_t high = engine_sum_high_product(factor.offset, doubled, factor.multiplier);
    return (int8_t)engine_saturate_byte((high + (doubled >> 31)) >> factor.shift);
}

// Transform a tile's sums of one channel back and requantise them: with M the planes, A^T M A, down first, and
// A^T = 1 1  1  0
//       0 1 -1 -1
// The sums run on from plane to plane, s(n) = m(0) + ... + m(n). So in a column of planes m(0) + m(1) + m(2) is the
// difference of two sums, and m(1) - m(2) - m(3) = 2 s(1) - s(0) - s(3).
static inline void transform_back(const uint32_t *sums, int32_t doubled_bias, struct engine_quick_factor factor,
    int32_t pixel, int8_t *upper, int8_t *lower) {
    uint32_t top[TILE], bottom[TILE];
    for (int32_t column = 0; column < TILE; column++, sums += TILE * ENGINE_BLOCK_SUMS) {
        const uint32_t before = column ? sums[-ENGINE_BLOCK_SUMS] : 0;
        top[column] = sums[2 * ENGINE_BLOCK_SUMS] - before;
        bottom[column] = 2 * sums[ENGINE_BLOCK_SUMS] - sums[0] - sums[3 * ENGINE_BLOCK_SUMS];
    }
    upper[0] = finish(top[0] + top[1] + top[2], doubled_bias, factor);
    lower[0] = finish(bottom[0] + bottom[1] + bottom[2], doubled_bias, factor);
    upper[pixel] = finish(top[1] - top[2] - top[3], doubled_bias, factor);
    lower[pixel] = finish(bottom[1] - bottom[2] - bottom[3], doubled_bias, factor);
}

// Finish a block: to two rows of four pixels that are `pixel` bytes apart.
ENGINE_NOINLINE static void finish_block(
    const uint32_t *sums, const struct engine_panel *panel, int8_t *upper, int8_t *lower, int32_t pixel) {
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        struct engine_quick_factor factor = panel->factors[channel];
        factor.multiplier = (int32_t)((uint32_t)factor.multiplier >> 1);
        const int32_t doubled_bias = 2 * panel->bias[channel];
        for (int32_t tile = 0; tile < TILES; tile++, sums++) {
            transform_back(sums, doubled_bias, factor, pixel, upper + tile * TILE_COLUMNS * pixel,
                lower + tile * TILE_COLUMNS * pixel);
        }
        upper++;
        lower++;
    }
}

// The part of a block that lies inside the output: its first pixel, and how many rows, columns and channels there are.
struct part {
    int8_t *output;
    int32_t rows;
    int32_t columns;
    int32_t channels;
};

// Finish a block that is not whole: copy what there is of it.
ENGINE_NOINLINE static void finish_part(
    const struct engine_shape *shape, const uint32_t *sums, const struct engine_panel *panel, const struct part *part) {
    int8_t results[ROWS][COLUMNS][ENGINE_CONV_CHANNELS];
    finish_block(sums, panel, results[0][0], results[1][0], ENGINE_CONV_CHANNELS);
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
    uint32_t *const values = scratch, *const sums = values + layer->chunk * pair_words;
    struct part part = {.rows = engine_smaller(ROWS, shape->height - y)};
    for (int32_t first = 0; first < pairs; first += layer->chunk) {
        const int32_t count = engine_smaller(layer->chunk, pairs - first);
        const uint32_t *weights = layer->weights;
        const struct engine_panel *panel = layer->panels;
        engine_winograd_input(layer, input, y - layer->padding_top, first, count, values, sums + ENGINE_WINOGRAD_SUMS);
        for (int32_t channel = 0; channel < depth; channel += ENGINE_CONV_CHANNELS) {
            part.channels = engine_smaller(ENGINE_CONV_CHANNELS, depth - channel);
            for (int32_t pair = 0; pair < count; pair++) {
                const int32_t x = (first + pair) * COLUMNS;
                part.output = output + x * depth + channel;
                part.columns = engine_smaller(COLUMNS, shape->width - x);
                engine_winograd_block(weights, values + pair * pair_words, &plane, sums);
                if (part.rows * part.columns * part.channels == ROWS * COLUMNS * ENGINE_CONV_CHANNELS) {
                    finish_block(sums, panel, part.output, part.output + row_bytes, depth);
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
