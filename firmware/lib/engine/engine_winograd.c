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

// What is the same for all blocks of a panel.
struct work {
    const struct engine_winograd *layer;
    const struct engine_panel *panel;
    int32_t channel; // the panel's first one
    int32_t rows;    // that exist
    int32_t clamps;  // results may be beyond the layer's range
};

// The results of a block: ENGINE_CONV_CHANNELS of each pixel.
typedef int8_t pixels[ROWS][COLUMNS][ENGINE_CONV_CHANNELS];

static inline int8_t finish(uint32_t sum, int32_t bias, struct engine_quick_factor factor) {
    return (int8_t)engine_quick(engine_wrapping_add((int32_t)sum >> SUM_BITS, bias), factor);
}

// Transform a tile's sums of one channel back and requantise them: with M the planes, A^T M A, down first, and
// A^T = 1 1  1  0
//       0 1 -1 -1
// The sums run on from plane to plane, s(n) = m(0) + ... + m(n). So in a column of planes m(0) + m(1) + m(2) is the
// difference of two sums, and m(1) - m(2) - m(3) = 2 s(1) - s(0) - s(3).
static inline void transform_back(
    const uint32_t *sums, int32_t bias, struct engine_quick_factor factor, int8_t *upper, int8_t *lower) {
    uint32_t top[TILE], bottom[TILE];
    for (int32_t column = 0; column < TILE; column++, sums += TILE * ENGINE_BLOCK_SUMS) {
        const uint32_t before = column ? sums[-ENGINE_BLOCK_SUMS] : 0;
        top[column] = sums[2 * ENGINE_BLOCK_SUMS] - before;
        bottom[column] = 2 * sums[ENGINE_BLOCK_SUMS] - sums[0] - sums[3 * ENGINE_BLOCK_SUMS];
    }
    upper[0] = finish(top[0] + top[1] + top[2], bias, factor);
    lower[0] = finish(bottom[0] + bottom[1] + bottom[2], bias, factor);
    upper[ENGINE_CONV_CHANNELS] = finish(top[1] - top[2] - top[3], bias, factor);
    lower[ENGINE_CONV_CHANNELS] = finish(bottom[1] - bottom[2] - bottom[3], bias, factor);
}

// Both tiles of a block, all channels.
static void finish_block(const uint32_t *sums, const struct engine_panel *panel, pixels results) {
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++, sums += TILES) {
        const int32_t bias = panel->bias[channel];
        const struct engine_quick_factor factor = panel->factors[channel];
        transform_back(sums, bias, factor, &results[0][0][channel], &results[1][0][channel]);
        transform_back(sums + 1, bias, factor, &results[0][TILE_COLUMNS][channel], &results[1][TILE_COLUMNS][channel]);
    }
}

// Write the pixels that exist, `columns` of each row, clamped.
static inline void put(const struct work *work, pixels results, int32_t columns, int8_t *output) {
    const struct engine_shape *const shape = &work->layer->output;
    const int32_t channels = engine_smaller(ENGINE_CONV_CHANNELS, shape->channels - work->channel);
    if (work->clamps) {
        engine_clamp_bytes(**results, sizeof(pixels), work->layer->result.minimum, work->layer->result.maximum);
    }
    for (int32_t row = 0; row < work->rows; row++, output += shape->width * shape->channels) {
        int8_t *target = output;
        for (int32_t column = 0; column < columns; column++, target += shape->channels) {
            if (channels == ENGINE_CONV_CHANNELS) {
                engine_store(target, engine_load(results[row][column]));
            } else {
                memcpy(target, results[row][column], (size_t)channels);
            }
        }
    }
}

void engine_winograd(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    const struct engine_winograd *const layer = parameters;
    const struct engine_shape *const shape = &layer->output;
    const int32_t y = step * ROWS, pairs = (shape->width + COLUMNS - 1) / COLUMNS;
    const int32_t pair_words = engine_winograd_pair_words(layer);
    const int32_t panel_words = pair_words / ENGINE_BLOCK_PIXELS * ENGINE_CONV_CHANNELS;
    const struct engine_plane plane = engine_plane(layer->input.channels / 2);
    uint32_t *const values = scratch, *const sums = values + layer->chunk * pair_words;
    uint32_t *const columns = sums + ENGINE_WINOGRAD_SUMS;
    struct work work = {
        .layer = layer,
        .rows = engine_smaller(ROWS, shape->height - y),
        .clamps = layer->result.minimum > INT8_MIN || layer->result.maximum < INT8_MAX,
    };
    for (int32_t first = 0; first < pairs; first += layer->chunk) {
        const int32_t count = engine_smaller(layer->chunk, pairs - first);
        const uint32_t *weights = layer->weights;
        engine_winograd_input(layer, input, y - layer->padding_top, first, count, values, columns);
        work.panel = layer->panels;
        for (work.channel = 0; work.channel < shape->channels; work.channel += ENGINE_CONV_CHANNELS) {
            for (int32_t pair = 0; pair < count; pair++) {
                const int32_t x = (first + pair) * COLUMNS;
                pixels results;
                engine_winograd_block(weights, values + pair * pair_words, &plane, sums);
                finish_block(sums, work.panel, results);
                put(&work, results, engine_smaller(COLUMNS, shape->width - x),
                    output + x * shape->channels + work.channel);
            }
            weights += panel_words;
            work.panel++;
        }
    }
}
