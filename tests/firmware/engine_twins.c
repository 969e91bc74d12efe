// Results of the kernels that exist in assembler and in portable C, the same on every machine; on the emulated board
// main() writes them to results.bin.
#include <string.h>

#include "engine_block.h"
#include "engine_columns.h"
#include "engine_dense_sums.h"
#include "engine_dsp.h"
#include "engine_widen.h"

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
