// The input transform of F(2 x 2, 3 x 3): for a tile d of 4 x 4 pixels, minus the zero point, B^T d B with
//       1  0 -1  0
// B^T = 0  1  1  0
//       0 -1  1  0
//       0  1  0 -1
// down first, which tiles share with their neighbours, then across. All values stay within 4 * 255.
#include "engine_winograd_input.h"

#include "engine_dsp.h"
#include "engine_view.h"

enum { TILE = 4, STEP_VALUES = 2, TILE_COLUMNS = 2, TILES = 2, PAIR_COLUMNS = TILES * TILE_COLUMNS };

// B^T d for one column and two channels.
static inline void transform_down(
    uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t zero_points, uint32_t *target) {
    target[0] = engine_subtract_pairs(a, c); // the zero point cancels out
    target[1] = engine_subtract_pairs(engine_add_pairs(b, c), zero_points);
    target[2] = engine_subtract_pairs(c, b);
    target[3] = engine_subtract_pairs(b, d);
}

// Transform a column of four pixels: of each quad, values 0 and 2, then, `distance` words away, 1 and 3.
static inline void transform_column(
    const int8_t *const pixels[TILE], int32_t depth, uint32_t zero_points, int32_t distance, uint32_t *target) {
    const int8_t *first = pixels[0], *second = pixels[1], *third = pixels[2], *fourth = pixels[3];
    for (int32_t i = 0; i < depth; i += 4, target += 2 * distance) {
        const uint32_t a = engine_load(first + i), b = engine_load(second + i);
        const uint32_t c = engine_load(third + i), d = engine_load(fourth + i);
        transform_down(engine_even_bytes(a), engine_even_bytes(b), engine_even_bytes(c), engine_even_bytes(d),
            zero_points, target);
        transform_down(engine_odd_bytes(a), engine_odd_bytes(b), engine_odd_bytes(c), engine_odd_bytes(d), zero_points,
            target + distance);
    }
}

// Transform `count` columns from column `left` on; rows and columns outside the image are padding.
static void transform_columns(const struct engine_winograd *layer, const struct engine_rows *input, int32_t top,
    int32_t left, int32_t count, const int8_t *padding, uint32_t *columns) {
    const int32_t depth = layer->input.channels;
    const uint32_t zero_points = engine_pair(2 * layer->input_zero_point, 2 * layer->input_zero_point);
    const int8_t *rows[TILE];
    for (int32_t i = 0; i < TILE; i++) {
        rows[i] = engine_row(input, top + i);
    }
    for (int32_t column = left; column < left + count; column++, columns += TILE) {
        const int32_t inside = column >= 0 && column < layer->input.width;
        const int8_t *pixels[TILE];
#pragma GCC unroll 4
        for (int32_t i = 0; i < TILE; i++) {
            pixels[i] = inside && rows[i] ? rows[i] + column * depth : padding;
        }
        transform_column(pixels, depth, zero_points, TILE * count, columns);
    }
}

// Multiply a row of B^T d by B for a pair of tiles. Of all planes' words for two channels, `steps` of them, one of the
// left tile and one of the right tile lie side by side.
static inline void transform_across(
    const uint32_t *columns, int32_t next_step, int32_t steps, int32_t next_column, uint32_t *target) {
    for (; steps > 0; steps--, columns += next_step, target += TILES) {
        const uint32_t a = columns[0], b = columns[TILE], c = columns[2 * TILE];
        const uint32_t d = columns[3 * TILE], e = columns[4 * TILE], f = columns[5 * TILE];
        engine_store_two(target, engine_subtract_pairs(a, c), engine_subtract_pairs(c, e));
        engine_store_two(target + next_column, engine_add_pairs(b, c), engine_add_pairs(d, e));
        engine_store_two(target + 2 * next_column, engine_subtract_pairs(c, b), engine_subtract_pairs(e, d));
        engine_store_two(target + 3 * next_column, engine_subtract_pairs(b, d), engine_subtract_pairs(d, f));
    }
}

void engine_winograd_input(const struct engine_winograd *layer, const struct engine_rows *input, int32_t top,
    int32_t first, int32_t count, uint32_t *values, uint32_t *columns) {
    const int32_t depth = layer->input.channels, steps = depth / STEP_VALUES;
    const int32_t left = first * PAIR_COLUMNS - layer->padding_left, width = count * PAIR_COLUMNS + TILE_COLUMNS;
    int8_t *const padding = (int8_t *)(columns + width * TILE * steps);
    memset(padding, layer->input_zero_point, (size_t)depth);
    transform_columns(layer, input, top, left, width, padding, columns);
    const int32_t plane_words = TILES * steps, pair_words = ENGINE_WINOGRAD_PLANES * plane_words;
    for (int32_t pair = 0; pair < count; pair++, columns += PAIR_COLUMNS * TILE) {
        for (int32_t i = 0; i < TILE; i++, values += plane_words) {
            transform_across(columns + i, TILE * width, steps, TILE * plane_words, values);
        }
        values += pair_words - TILE * plane_words;
    }
}
