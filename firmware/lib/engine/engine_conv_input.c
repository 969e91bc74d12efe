// A convolution's input as stretches of 16-bit values: padding filled in, the windows of two pixels side by side.
#include "engine_conv_input.h"

#include "engine_dsp.h"
#include "engine_view.h"

enum { STEP_WORDS = 2 }; // a pair for the left pixel, a pair for the right one

// Fill `count` words, STEP_WORDS apart.
static void fill_words(uint32_t *target, int32_t count, uint32_t word) {
    for (int32_t i = 0; i < count; i++) {
        target[STEP_WORDS * i] = word;
    }
}

// Write one pixel's side of a widened row: the image's values from pixel `origin` on, which may lie outside.
static void widen_side(const struct engine_conv2d *layer, const int8_t *source, int32_t origin, uint32_t *target) {
    const int32_t pixel_words = layer->input.channels / 2;
    const int32_t pixels = layer->row_words / (STEP_WORDS * pixel_words);
    const uint32_t padding = engine_pair(layer->input_zero_point, layer->input_zero_point);
    const int32_t begin = source ? engine_smaller(engine_larger(-origin, 0), pixels) : pixels;
    const int32_t end = engine_larger(engine_smaller(layer->input.width - origin, pixels), begin);
    fill_words(target, begin * pixel_words, padding);
    target += STEP_WORDS * begin * pixel_words;
    if (end > begin) {
        const int8_t *values = source + (origin + begin) * layer->input.channels;
        const int8_t *const stop = source + (origin + end) * layer->input.channels;
        for (; values != stop; values += 4, target += 2 * STEP_WORDS) {
            const uint32_t bytes = engine_load(values);
            target[0] = engine_even_bytes(bytes);
            target[STEP_WORDS] = engine_odd_bytes(bytes);
        }
    }
    fill_words(target, (pixels - end) * pixel_words, padding);
}

void engine_widen_rows(
    const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows) {
    const int32_t distance = layer->pairs * layer->pool.stride_width * layer->window.stride_width;
    for (int32_t ky = 0; ky < layer->window.height; ky++, rows += layer->row_words) {
        const int8_t *source = engine_row(input, top + ky * layer->window.dilation_height);
        widen_side(layer, source, -layer->window.padding_left, rows);
        widen_side(layer, source, distance - layer->window.padding_left, rows + 1);
    }
}

// Write an input row, padding included, as `count` int16 values that are `step` apart.
static void spread_row(
    const struct engine_conv2d *layer, const int8_t *source, int32_t count, int32_t step, int16_t *target) {
    const int32_t left = source ? engine_smaller(layer->window.padding_left * layer->input.channels, count) : count;
    const int32_t inside = engine_smaller(layer->input.width * layer->input.channels, count - left);
    const int16_t padding = (int16_t)layer->input_zero_point;
    int32_t i = 0;
    for (; i < left; i++, target += step) {
        *target = padding;
    }
    for (; i < left + inside; i++, target += step) {
        *target = *source++;
    }
    for (; i < count; i++, target += step) {
        *target = padding;
    }
}

// Whether the window's last row has no partner, and its values are paired with their neighbours.
static int32_t has_single_row(const struct engine_conv2d *layer) {
    return layer->window.height % 2 && layer->window.dilation_width == 1;
}

void engine_pack_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows) {
    const int32_t height = layer->window.height;
    for (int32_t ky = 0; ky < height; ky += 2, rows += layer->row_words) {
        const int8_t *upper = engine_row(input, top + ky * layer->window.dilation_height);
        int16_t *const target = (int16_t *)rows;
        if (ky + 1 < height) {
            const int8_t *lower = engine_row(input, top + (ky + 1) * layer->window.dilation_height);
            spread_row(layer, upper, layer->row_words, 2, target);
            spread_row(layer, lower, layer->row_words, 2, target + 1);
        } else if (has_single_row(layer)) {
            spread_row(layer, upper, 2 * layer->row_words, 1, target);
        } else { // the lower values meet weights of zero
            spread_row(layer, upper, layer->row_words, 2, target);
            spread_row(layer, upper, layer->row_words, 2, target + 1);
        }
    }
}

// Copy `count` words of each pixel; they may start in the middle of a word.
static inline uint32_t *interleave(const int16_t *left, const int16_t *right, int32_t count, uint32_t *target) {
    for (int32_t i = 0; i < count; i++, left += 2, right += 2, target += STEP_WORDS) {
        target[0] = engine_load(left);
        target[1] = engine_load(right);
    }
    return target;
}

void engine_copy_patches(
    const struct engine_conv2d *layer, const uint32_t *rows, int32_t left, int32_t right, uint32_t *patch) {
    const struct engine_window *window = &layer->window;
    const int32_t depth = layer->input.channels;
    const int32_t runs = window->dilation_width == 1 ? 1 : window->width; // stretches of a row
    const int32_t run_words = window->dilation_width == 1 ? window->width * depth : depth;
    const int32_t run_step = window->dilation_width * depth;
    const int32_t left_column = left * window->stride_width * depth;
    const int32_t right_column = right * window->stride_width * depth;
    int32_t remaining = (window->height + 1) / 2;
    if (has_single_row(layer)) {
        remaining--;
    }
    for (; remaining > 0; remaining--, rows += layer->row_words) {
        const int16_t *values = (const int16_t *)rows;
        for (int32_t run = 0; run < runs; run++, values += 2 * run_step) {
            patch = interleave(values + 2 * left_column, values + 2 * right_column, run_words, patch);
        }
    }
    if (has_single_row(layer)) {
        const int16_t *values = (const int16_t *)rows;
        interleave(values + left_column, values + right_column, (run_words + 1) / 2, patch);
    }
}
