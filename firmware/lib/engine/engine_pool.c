// MAX_POOL_2D and AVERAGE_POOL_2D row by row.
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_sums.h"
#include "engine_view.h"
#include "engine_window.h"

// The part of a window that lies inside the image, in the rows of a channel.
struct region {
    const struct engine_rows *input;
    struct engine_span rows, columns;
    int32_t depth;
    int32_t channel;
};

static inline const int8_t *region_row(const struct region *region, int32_t y) {
    const int32_t column = region->columns.origin + region->columns.begin;
    return engine_row(region->input, region->rows.origin + y) + column * region->depth + region->channel;
}

static inline int32_t pixels(const struct region *region) {
    return (region->rows.end - region->rows.begin) * (region->columns.end - region->columns.begin);
}

// Reduce one channel or a quad of them, from region->channel on, to one value each; return how many.
typedef int32_t reduce_region(const struct region *region, int32_t *results);

static inline int32_t largest(const struct region *region, int32_t *results) {
    int32_t best = INT8_MIN;
    for (int32_t y = region->rows.begin; y < region->rows.end; y++) {
        const int8_t *value = region_row(region, y);
        for (int32_t x = region->columns.begin; x < region->columns.end; x++, value += region->depth) {
            best = *value > best ? *value : best;
        }
    }
    *results = best;
    return 1;
}

// Add up a quad of channels over at most ENGINE_PAIRED_PIXELS pixels.
static inline void sum_quad(const struct region *region, int32_t *sums) {
    struct engine_quad_sums quad = {0, 0};
    for (int32_t y = region->rows.begin; y < region->rows.end; y++) {
        quad =
            engine_sum_pixels(quad, region_row(region, y), region->columns.end - region->columns.begin, region->depth);
    }
    memset(sums, 0, ENGINE_QUAD_CHANNELS * sizeof *sums);
    engine_add_quad(quad, sums);
}

static inline int32_t sum_one(const struct region *region) {
    int32_t sum = 0;
    for (int32_t y = region->rows.begin; y < region->rows.end; y++) {
        sum = engine_sum_values(sum, region_row(region, y), region->columns.end - region->columns.begin, region->depth);
    }
    return sum;
}

// sum / count, halves away from zero.
static inline int32_t average_of(int32_t sum, int32_t count) {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

static inline int32_t average(const struct region *region, int32_t *results) {
    const int32_t count = pixels(region);
    const int32_t quad = count <= ENGINE_PAIRED_PIXELS && region->depth - region->channel >= ENGINE_QUAD_CHANNELS;
    const int32_t channels = quad ? ENGINE_QUAD_CHANNELS : 1;
    if (quad) {
        sum_quad(region, results);
    } else {
        *results = sum_one(region);
    }
    for (int32_t i = 0; i < channels; i++) {
        results[i] = average_of(results[i], count);
    }
    return channels;
}

static inline void pool(const struct engine_pool *layer, const struct engine_rows *input, int32_t y, int8_t *output,
    reduce_region *reduce) {
    const struct engine_window *window = &layer->window;
    struct region region = {.input = input, .depth = layer->input.channels};
    region.rows = engine_span(y * window->stride_height - window->padding_top, window->height, 1, layer->input.height);
    for (int32_t x = 0; x < layer->output.width; x++) {
        region.columns =
            engine_span(x * window->stride_width - window->padding_left, window->width, 1, layer->input.width);
        for (region.channel = 0; region.channel < region.depth;) {
            int32_t results[ENGINE_QUAD_CHANNELS];
            const int32_t channels = reduce(&region, results);
            for (int32_t i = 0; i < channels; i++) {
                *output++ = engine_clamp(results[i], layer->minimum, layer->maximum);
            }
            region.channel += channels;
        }
    }
}

void engine_max_pool(const void *layer, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    (void)scratch;
    pool(layer, input, step, output, largest);
}

void engine_average_pool(
    const void *layer, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    (void)scratch;
    pool(layer, input, step, output, average);
}

void engine_average_pool_by_rows(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *state) {
    const struct engine_pool *const layer = parameters;
    int32_t *const sums = state;
    if (engine_sum_row(input, step, layer->input.channels, sums)) {
        for (int32_t channel = 0; channel < layer->input.channels; channel++) {
            const int32_t result = average_of(sums[channel], layer->input.height * layer->input.width);
            output[channel] = engine_clamp(result, layer->minimum, layer->maximum);
        }
    }
}

// Replace each of `count` bytes by the larger one of two.
static void merge(const int8_t *source, int32_t count, int8_t *target) {
    int32_t i = 0;
#pragma GCC unroll 4
    for (; i + 4 <= count; i += 4) {
        engine_store(target + i, engine_larger_bytes(engine_load(target + i), engine_load(source + i)));
    }
    for (; i < count; i++) {
        target[i] = source[i] > target[i] ? source[i] : target[i];
    }
}

void engine_max_pool_by_rows(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_pool *const layer = parameters;
    const struct engine_window *const window = &layer->window;
    const int32_t depth = layer->input.channels;
    const int32_t window_row = step % window->height;
    const int8_t *source = engine_row(input, step / window->height * window->stride_height + window_row);
    int8_t *target = output;
    for (int32_t x = 0; x < layer->output.width; x++, source += window->stride_width * depth, target += depth) {
        int32_t column = 0;
        if (window_row == 0) {
            memmove(target, source, (size_t)depth); // to the same place if the pool is in place
            column = 1;
        }
        for (; column < window->width; column++) {
            merge(source + column * depth, depth, target);
        }
    }
    if (window_row == window->height - 1) {
        engine_clamp_bytes(output, layer->output.width * depth, layer->minimum, layer->maximum);
    }
}
