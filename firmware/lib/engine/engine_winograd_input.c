// The input transform of F(2 x 2, 3 x 3): for a tile d of 4 x 4 pixels, minus the zero point, B^T d B with
//       1  0 -1  0
// B^T = 0  1  1  0
//       0 -1  1  0
//       0  1  0 -1
// down first, one row of B^T d for all tiles at a time, then across. All values stay within 4 * 255.
#include "engine_winograd_input.h"

#include "engine_dsp.h"
#include "engine_view.h"

enum { TILE = 4, STEP_VALUES = 2, TILE_COLUMNS = 2, PAIR_COLUMNS = 2 * TILE_COLUMNS };

// A row of B^T: rows `first` and `second` of the tile, added up if it is the one without a -1, or else subtracted.
struct combination {
    int32_t first;
    int32_t second;
};
static const struct combination combinations[TILE] = {{0, 2}, {1, 2}, {2, 1}, {1, 3}};
enum { ADDED = 1 };

// Combine two pixels into words that are `distance` words apart: of each quad, values 0 and 2, then 1 and 3. Zero
// points are left where pixels are added up.
static inline void combine(const int8_t *first, const int8_t *second, int32_t depth, int32_t added,
    uint32_t zero_points, int32_t distance, uint32_t *target) {
    for (; depth > 0; depth -= 4, first += 4, second += 4, target += 2 * distance) {
        const uint32_t a = engine_load(first), b = engine_load(second);
        const uint32_t a_even = engine_even_bytes(a), b_even = engine_even_bytes(b);
        const uint32_t a_odd = engine_odd_bytes(a), b_odd = engine_odd_bytes(b);
        if (added) {
            target[0] = engine_subtract_pairs(engine_add_pairs(a_even, b_even), zero_points);
            target[distance] = engine_subtract_pairs(engine_add_pairs(a_odd, b_odd), zero_points);
        } else {
            target[0] = engine_subtract_pairs(a_even, b_even);
            target[distance] = engine_subtract_pairs(a_odd, b_odd);
        }
    }
}

// Combine `count` pixels of two rows, from column `left` on; rows and columns outside the image are padding.
static void combine_rows(const struct engine_winograd *layer, const int8_t *first, const int8_t *second, int32_t added,
    int32_t left, int32_t count, const int8_t *padding, uint32_t *target) {
    const int32_t depth = layer->input.channels;
    const uint32_t zero_points = engine_pair(2 * layer->input_zero_point, 2 * layer->input_zero_point);
    for (int32_t i = 0; i < count; i++) {
        const int32_t column = left + i, inside = column >= 0 && column < layer->input.width;
        const int8_t *const a = inside && first ? first + column * depth : padding;
        const int8_t *const b = inside && second ? second + column * depth : padding;
        if (added) {
            combine(a, b, depth, 1, zero_points, count, target + i);
        } else {
            combine(a, b, depth, 0, zero_points, count, target + i);
        }
    }
}

// Two words side by side.
static inline void put(uint32_t *target, uint32_t left, uint32_t right) {
    target[0] = left;
    target[1] = right;
}

// Multiply a combined row by B: of `count` pairs of tiles, a row of planes each.
static void transform_across(const uint32_t *row, int32_t count, int32_t steps, int32_t pair_words, uint32_t *values) {
    const int32_t column_words = TILE * 2 * steps; // from a plane to the one of the next column
    for (; steps > 0; steps--, row += 2, values += 2) {
        uint32_t a = *row++, b = *row++;
        uint32_t *target = values;
        for (int32_t pair = 0; pair < count; pair++, row += PAIR_COLUMNS, target += pair_words) {
            const uint32_t c = row[0], d = row[1], e = row[2], f = row[3];
            put(target, engine_subtract_pairs(a, c), engine_subtract_pairs(c, e));
            put(target + column_words, engine_add_pairs(b, c), engine_add_pairs(d, e));
            put(target + 2 * column_words, engine_subtract_pairs(c, b), engine_subtract_pairs(e, d));
            put(target + 3 * column_words, engine_subtract_pairs(b, d), engine_subtract_pairs(d, f));
            a = e;
            b = f;
        }
        row -= 2;
    }
}

void engine_winograd_input(const struct engine_winograd *layer, const struct engine_rows *input, int32_t top,
    int32_t first, int32_t count, uint32_t *values, void *scratch) {
    const int32_t depth = layer->input.channels, steps = depth / STEP_VALUES;
    const int32_t left = first * PAIR_COLUMNS - layer->padding_left, columns = count * PAIR_COLUMNS + TILE_COLUMNS;
    int8_t *const padding = scratch;
    uint32_t *const row = (uint32_t *)(padding + depth);
    memset(padding, layer->input_zero_point, (size_t)depth);
    for (int32_t i = 0; i < TILE; i++, values += 2 * steps) {
        const int8_t *const upper = engine_row(input, top + combinations[i].first);
        const int8_t *const lower = engine_row(input, top + combinations[i].second);
        combine_rows(layer, upper, lower, i == ADDED, left, columns, padding, row);
        transform_across(row, count, steps, engine_winograd_pair_words(layer), values);
    }
}
