// Results of the kernels that exist in assembler and in portable C, the same on every machine; on the emulated board
// main() writes them to results.bin.
#include <string.h>

#include "engine_block.h"
#include "engine_columns.h"
#include "engine_dense_sums.h"
#include "engine_dsp.h"
#include "engine_widen.h"
#include "engine_winograd_block.h"
#include "engine_winograd_input.h"

enum { MOST_STEPS = 50, MOST_COLUMNS = 3, SOURCE_BYTES = 8 * (MOST_STEPS + 20 * MOST_COLUMNS), RESULTS = 200000 };

static _Alignas(4) int8_t source[SOURCE_BYTES];
enum { MOST_WINDOWS = 5, MOST_IMAGE_COLUMNS = 2 * MOST_WINDOWS + 1 };

static uint32_t weights[4 * MOST_STEPS], values[2 * MOST_COLUMNS * MOST_STEPS], widened[4 * MOST_STEPS];
static uint32_t random_state, results[RESULTS], *next;

static uint32_t random_word(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state ^ random_state >> 15;
}

static void fill(void *target, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)target)[i] = (uint8_t)(random_word() >> 8);
    }
}

static void keep(const void *words, int32_t count) {
    memcpy(next, words, (size_t)count * 4);
    next += count;
}

// int16 values as they occur, or with `wild` any, so that the sums wrap.
static void fill_pairs(uint32_t *target, int32_t count, int wild) {
    for (int32_t i = 0; i < count; i++) {
        const uint32_t word = random_word();
        const uint32_t small = ((word & 0x1FFu) - 256u) & 0xFFFFu;
        target[i] = wild ? word : small | (((word >> 16 & 0x1FFu) - 256u) & 0xFFFFu) << 16;
    }
}

// A quick factor with this shift and any zero point.
static struct engine_quick_factor random_factor(int32_t shift) {
    return (struct engine_quick_factor){(int32_t)(random_word() | 0x80000000u),
        (1 << (shift - 1)) + ((int32_t)(random_word() >> 24) - 128) * (1 << shift), shift};
}

static void block(int32_t steps, int32_t columns, int32_t distance, int wild) {
    struct engine_panel panel;
    int32_t sums[ENGINE_BLOCK_SUMS];
    fill_pairs(weights, 4 * steps, wild);
    fill_pairs(values, 2 * (steps + (columns - 1) * distance), wild);
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        const int32_t shift = 1 + (int32_t)(random_word() >> 16) % 22;
        panel.bias[channel] = (int32_t)random_word() >> (wild ? 0 : 12);
        panel.factors[channel] = random_factor(shift);
    }
    struct engine_windows windows = engine_windows(steps, columns, 8 * distance);
    const uint64_t packed = engine_block(weights, values, &windows, &panel);
    keep(&packed, 2);
    windows.sums = sums;
    engine_block(weights, values, &windows, &panel);
    keep(sums, ENGINE_BLOCK_SUMS);
}

// Columns of four rows that lie apart, and both ways to go through them.
static void columns(int32_t windows, int32_t depth) {
    static uint32_t pairs[MOST_IMAGE_COLUMNS * ENGINE_COLUMN_WORDS];
    const int32_t count = 2 * windows + 1;
    const int8_t *const rows[ENGINE_COLUMN_ROWS] = {source, source + 101, source + 230, source + 303};
    struct engine_depthwise_channel channels[ENGINE_CONV_CHANNELS];
    int8_t results[MOST_WINDOWS * ENGINE_COLUMN_RESULTS * ENGINE_CONV_CHANNELS];
    fill(source, sizeof source);
    engine_pair_columns(rows, depth, count, pairs);
    keep(pairs, count * ENGINE_COLUMN_WORDS);
    fill(channels, sizeof channels); // the weights
    for (int32_t i = 0; i < ENGINE_CONV_CHANNELS; i++) {
        channels[i].bias = (int32_t)random_word() >> (i ? 14 : 0);
        channels[i].factor = random_factor(1 + (int32_t)(random_word() >> 16) % 22);
    }
    engine_convolve_each_column(pairs, channels, windows, results);
    keep(results, windows * ENGINE_COLUMN_RESULTS);
    engine_convolve_every_other_column(pairs, channels, windows, results);
    keep(results, windows * ENGINE_COLUMN_RESULTS);
}

static void dense(int32_t quads) {
    int32_t sums[ENGINE_CONV_CHANNELS];
    fill(source, sizeof source);
    fill_pairs(values, 2 * quads, quads % 2);
    engine_dense_sums(source, values, quads, sums);
    keep(sums, ENGINE_CONV_CHANNELS);
}

// The instructions of engine_dsp.h that no assembler above stands for.
static void words(void) {
    const uint32_t a = random_word(), b = random_word();
    const uint32_t found[] = {engine_lower_halves(a, b), engine_upper_halves(a, b), engine_add_even_bytes(a, b),
        engine_add_odd_bytes(a, b), engine_larger_bytes(a, b), engine_smaller_bytes(a, b)};
    keep(found, sizeof found / sizeof *found);
}

// Sums that lie halfway between two results, below zero, where halves go the other way.
static void ties(int32_t shift) {
    struct engine_panel panel;
    memset(weights, 0, sizeof weights);
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        panel.bias[channel] = -(2 * channel + 1) * (1 << shift);
        panel.factors[channel] = (struct engine_quick_factor){INT32_MIN, 1 << (shift - 1), shift}; // half, shifted
    }
    const struct engine_windows windows = engine_windows(1, 1, 1);
    const uint64_t packed = engine_block(weights, values, &windows, &panel);
    keep(&packed, 2);
}

enum {
    MOST_WINOGRAD_STEPS = 36,
    PLANE_STEPS = ENGINE_WINOGRAD_PLANES * MOST_WINOGRAD_STEPS,
    MAP_SIZE = 9,
    MAP_CHANNELS = 12,
    MAP_PAIRS = 3,
    MAP_COLUMNS = 4 * MAP_PAIRS + 2,
};

static uint32_t plane_weights[4 * PLANE_STEPS], plane_values[2 * PLANE_STEPS], sums[ENGINE_WINOGRAD_SUMS];
static int8_t map[MAP_SIZE * MAP_SIZE * MAP_CHANNELS];
static uint32_t transformed[MAP_PAIRS * ENGINE_WINOGRAD_PLANES * MAP_CHANNELS];
static uint32_t column_sums[2 * MAP_COLUMNS * MAP_CHANNELS + MAP_CHANNELS];

static void winograd_block(int32_t steps, int wild) {
    const struct engine_plane plane = engine_plane(steps);
    fill_pairs(plane_weights, 4 * ENGINE_WINOGRAD_PLANES * steps, wild);
    fill_pairs(plane_values, 2 * ENGINE_WINOGRAD_PLANES * steps, wild);
    engine_winograd_block(plane_weights, plane_values, &plane, sums);
    keep(sums, ENGINE_WINOGRAD_SUMS);
}

// Sums that go as far as they may: what comes back has 29 bits and a sign.
static void winograd_finish(int32_t bits) {
    enum { PIXEL = ENGINE_CONV_CHANNELS };
    struct engine_panel panel;
    int8_t rows[2][4 * PIXEL];
    for (int32_t i = 0; i < ENGINE_WINOGRAD_SUMS; i++) {
        sums[i] = (uint32_t)((int32_t)random_word() >> (31 - bits));
    }
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        const int32_t shift = 1 + (int32_t)(random_word() >> 16) % 22;
        panel.bias[channel] = (int32_t)random_word() >> (31 - bits);
        panel.factors[channel] = (struct engine_quick_factor){(int32_t)(random_word() | 0x80000000u),
            (1 << (shift - 1)) + ((int32_t)(random_word() >> 24) - 128) * (1 << shift), shift};
    }
    engine_winograd_finish(sums, &panel, rows[0], rows[1], PIXEL);
    keep(rows, sizeof rows / 4);
}

static void winograd_input(int32_t zero_point) {
    const struct engine_winograd layer = {
        .input = {MAP_SIZE, MAP_SIZE, MAP_CHANNELS}, .padding_left = 1, .input_zero_point = zero_point};
    const struct engine_rows rows = {map, MAP_SIZE, MAP_SIZE, MAP_SIZE * MAP_CHANNELS};
    fill(map, sizeof map);
    for (int32_t top = -1; top < MAP_SIZE; top += 2) {
        engine_winograd_input(&layer, &rows, top, 0, MAP_PAIRS, transformed, column_sums);
        keep(transformed, MAP_PAIRS * ENGINE_WINOGRAD_PLANES * MAP_CHANNELS);
    }
}

const uint32_t *twin_results(int32_t *count);

const uint32_t *twin_results(int32_t *count) {
    next = results;
    random_state = 1;
    for (int32_t steps = 1; steps <= MOST_STEPS; steps++) {
        for (int32_t columns = 1; columns <= MOST_COLUMNS; columns++) {
            block(steps, columns, steps, 0);
            block(steps, columns, 1 + steps / 3, 1); // windows that overlap
        }
        fill(source, sizeof source);
        engine_widen_panel(source, steps, widened);
        keep(widened, 4 * steps);
        const uint32_t zero_point = (random_word() & 0xFFu) * 0x10001u;
        engine_widen_pixels(source + steps % 4, source + 2 * steps, 4 * steps, zero_point, widened);
        keep(widened, 4 * steps);
    }
    for (int32_t windows = 1; windows <= MOST_WINDOWS; windows++) {
        columns(windows, 4);
        columns(windows, 9);
    }
    for (int32_t quads = 1; quads <= MOST_STEPS / 2; quads++) {
        dense(quads);
        words();
    }
    for (int32_t shift = 1; shift <= 22; shift++) {
        ties(shift);
    }
    fill_pairs(plane_values, 64, 1);
    engine_winograd_copy(plane_values, 64, plane_weights);
    keep(plane_weights, 64);
    for (int32_t steps = 2; steps <= MOST_WINOGRAD_STEPS; steps += 2) {
        winograd_block(steps, 0);
        winograd_block(steps, 1);
    }
    for (int32_t bits = 8; bits <= 26; bits++) {
        winograd_finish(bits);
    }
    for (int32_t zero_point = INT8_MIN; zero_point <= INT8_MAX; zero_point += 51) {
        winograd_input(zero_point);
    }
    *count = (int32_t)(next - results);
    return results;
}

#ifdef __arm__
#include "semihost.h"

int main(void) {
    int32_t count;
    const uint32_t *words = twin_results(&count);
    const size_t bytes = (size_t)count * 4;
    const int32_t file = semihost_open("results.bin", SEMIHOST_WRITE);
    return file < 0 || semihost_write(file, words, bytes) != bytes;
}
#endif
