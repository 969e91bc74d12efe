// A convolution's input as stretches of 16-bit values: padding filled in, the windows of two pixels side by side.
#include "engine_conv_input.h"

#include "engine_dsp.h"
#include "engine_view.h"
#include "engine_widen.h"

enum { STEP_WORDS = 2 }; // a pair for the left pixel, a pair for the right one

void engine_widen_rows(const struct engine_conv2d *layer, const struct engine_rows *input, struct engine_span used,
    int32_t together, uint32_t *rows) {
    const int32_t depth = layer->input.channels, width = together * layer->input.width;
    const int32_t distance = layer->pairs * layer->pool.stride_width * layer->window.stride_width;
    const int32_t pixels = layer->row_words / depth, count = used.end - used.begin;
    const uint32_t zero_point = engine_pair(layer->input_zero_point, layer->input_zero_point);
    int8_t *const padding = (int8_t *)(rows + layer->window.height * layer->row_words);
    memset(padding, layer->input_zero_point, (size_t)depth);
    for (int32_t ky = used.begin; ky < used.end; ky++, rows += depth) {
        const int8_t *source = engine_row(input, used.origin + ky * layer->window.dilation_height);
        const int32_t inside = source ? width : 0;
        uint32_t *target = rows;
        int32_t left = -layer->window.padding_left;
        for (int32_t pixel = 0; pixel < pixels; pixel++, left++, target += count * depth) {
            const int32_t right = left + distance;
            engine_widen_pixels(left >= 0 && left < inside ? source + left * depth : padding,
                right >= 0 && right < inside ? source + right * depth : padding, depth, zero_point, target);
        }
    }
}

// Write `count` zeros that are `step` int16 apart; return where the next value goes.
static inline int16_t *clear(int32_t count, int32_t step, int16_t *target) {
    for (; count > 0; count--, target += step) {
        *target = 0;
    }
    return target;
}

// Write an input row, padding included, as `count` int16 values that are `step` apart; null: a row of padding.
ENGINE_NOINLINE static void spread(
    const struct engine_conv2d *layer, const int8_t *source, int32_t count, int32_t step, int16_t *target) {
    const int32_t left = source ? engine_smaller(layer->window.padding_left * layer->input.channels, count) : count;
    const int32_t inside = engine_smaller(layer->input.width * layer->input.channels, count - left);
    const int32_t zero_point = layer->input_zero_point;
    target = clear(left, step, target);
#pragma GCC unroll 4
    for (int32_t i = 0; i < inside; i++, target += step) {
        *target = (int16_t)(source[i] - zero_point);
    }
    clear(count - left - inside, step, target);
}

// Whether the window's last row has no partner, and its values are paired with their neighbours.
static int32_t has_single_row(const struct engine_conv2d *layer) {
    return layer->window.height % 2 && layer->window.dilation_width == 1;
}

// Pack two rows that lie inside the image.
static void pack(const struct engine_conv2d *layer, const int8_t *upper, const int8_t *lower, uint32_t *target) {
    const int32_t count = layer->row_words;
    const int32_t left = engine_smaller(layer->window.padding_left * layer->input.channels, count);
    const int32_t inside = engine_smaller(layer->input.width * layer->input.channels, count - left);
    const uint32_t zero_points = engine_pair(layer->input_zero_point, layer->input_zero_point);
    memset(target, 0, (size_t)left * sizeof *target);
    target += left;
    int32_t i = 0;
    for (; i + 4 <= inside; i += 4, target += 4) {
        const uint32_t a = engine_load(upper + i), b = engine_load(lower + i);
        const uint32_t even = engine_subtract_pairs(engine_even_bytes(a), zero_points);
        const uint32_t odd = engine_subtract_pairs(engine_odd_bytes(a), zero_points);
        const uint32_t even_below = engine_subtract_pairs(engine_even_bytes(b), zero_points);
        const uint32_t odd_below = engine_subtract_pairs(engine_odd_bytes(b), zero_points);
        target[0] = engine_lower_halves(even, even_below);
        target[1] = engine_lower_halves(odd, odd_below);
        target[2] = engine_upper_halves(even, even_below);
        target[3] = engine_upper_halves(odd, odd_below);
    }
    for (; i < inside; i++) {
        *target++ = engine_pair(upper[i] - layer->input_zero_point, lower[i] - layer->input_zero_point);
    }
    memset(target, 0, (size_t)(count - left - inside) * sizeof *target);
}

void engine_pack_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top, uint32_t *rows) {
    const int32_t height = layer->window.height;
    for (int32_t ky = 0; ky < height; ky += 2, rows += layer->row_words) {
        const int8_t *upper = engine_row(input, top + ky * layer->window.dilation_height), *lower = upper;
        int16_t *const target = (int16_t *)rows;
        if (ky + 1 == height && has_single_row(layer)) {
            spread(layer, upper, 2 * layer->row_words, 1, target);
            continue;
        }
        if (ky + 1 < height) {
            lower = engine_row(input, top + (ky + 1) * layer->window.dilation_height);
        } // else the lower values meet weights of zero
        if (upper && lower) {
            pack(layer, upper, lower, rows);
        } else {
            spread(layer, upper, layer->row_words, 2, target);
            spread(layer, lower, layer->row_words, 2, target + 1);
        }
    }
}

// Copy `count` words of two pixels, the right one `distance` int16 after the left one; they may start in mid-word.
static inline uint32_t *interleave(const int16_t *left, int32_t distance, int32_t count, uint32_t *target) {
    for (; count > 0; count--, left += 2, target += STEP_WORDS) {
        const uint32_t first = engine_load(left), second = engine_load(left + distance);
        target[0] = first;
        target[1] = second;
    }
    return target;
}

// Copy together the windows of two pixels: the left one's starts at value `start` of each row.
static uint32_t *copy_patch(
    const struct engine_conv2d *layer, const int16_t *row, int32_t start, int32_t distance, uint32_t *patch) {
    const struct engine_window *const window = &layer->window;
    const int32_t dilated = window->dilation_width > 1, depth = layer->input.channels;
    const int32_t words = dilated ? depth : window->width * depth; // words that lie together
    int32_t remaining = window->height;
    for (; remaining > has_single_row(layer); remaining -= 2, row += 2 * layer->row_words) {
        const int16_t *values = row + 2 * start;
        patch = interleave(values, 2 * distance, words, patch);
        for (int32_t kx = 1; dilated && kx < window->width; kx++) {
            values += 2 * window->dilation_width * depth;
            patch = interleave(values, 2 * distance, words, patch);
        }
    }
    return remaining > 0 ? interleave(row + start, distance, (words + 1) / 2, patch) : patch;
}

void engine_copy_patches(
    const struct engine_conv2d *layer, const uint32_t *rows, int32_t first, int32_t count, uint32_t *patches) {
    const int32_t step = layer->window.stride_width * layer->input.channels; // from a column to the next
    const int32_t distance = layer->pairs * layer->pool.stride_width * step;
    for (int32_t pair = first; pair < first + count; pair++) {
        int32_t start = pair * layer->pool.stride_width * step;
        for (int32_t column = 0; column < layer->pool.width; column++, start += step) {
            patches = copy_patch(layer, (const int16_t *)rows, start, distance, patches);
        }
    }
}
