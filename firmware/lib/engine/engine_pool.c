// MAX_POOL_2D and AVERAGE_POOL_2D.
#include "engine_requantise.h"
#include "engine_window.h"

// Reduces one channel of one window: pixels of a row are `depth` bytes apart, rows `row_bytes`.
typedef int32_t reduce_window(const int8_t *first, int32_t rows, int32_t columns, int32_t depth, int32_t row_bytes);

static inline int32_t largest(const int8_t *first, int32_t rows, int32_t columns, int32_t depth, int32_t row_bytes) {
    int32_t best = INT8_MIN;
    for (int32_t y = 0; y < rows; y++, first += row_bytes) {
        const int8_t *value = first;
        for (int32_t x = 0; x < columns; x++, value += depth) {
            best = *value > best ? *value : best;
        }
    }
    return best;
}

static inline int32_t average(const int8_t *first, int32_t rows, int32_t columns, int32_t depth, int32_t row_bytes) {
    const int32_t count = rows * columns;
    int32_t sum = 0;
    for (int32_t y = 0; y < rows; y++, first += row_bytes) {
        const int8_t *value = first;
        for (int32_t x = 0; x < columns; x++, value += depth) {
            sum += *value;
        }
    }
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count; // halves away from zero
}

static inline void pool(const struct engine_pool *layer, const int8_t *input, int8_t *output, reduce_window *reduce) {
    const struct engine_window *window = &layer->window;
    const int32_t depth = layer->input.channels;
    const int32_t row_bytes = layer->input.width * depth;
    for (int32_t y = 0; y < layer->output.height; y++) {
        const struct engine_span rows =
            engine_span(y * window->stride_height - window->padding_top, window->height, 1, layer->input.height);
        for (int32_t x = 0; x < layer->output.width; x++) {
            const struct engine_span columns =
                engine_span(x * window->stride_width - window->padding_left, window->width, 1, layer->input.width);
            const int8_t *first =
                input + (rows.origin + rows.begin) * row_bytes + (columns.origin + columns.begin) * depth;
            for (int32_t channel = 0; channel < depth; channel++) {
                const int32_t value =
                    reduce(first + channel, rows.end - rows.begin, columns.end - columns.begin, depth, row_bytes);
                *output++ = engine_clamp(value, layer->minimum, layer->maximum);
            }
        }
    }
}

void engine_max_pool(const struct engine_pool *layer, const int8_t *input, int8_t *output) {
    pool(layer, input, output, largest);
}

void engine_average_pool(const struct engine_pool *layer, const int8_t *input, int8_t *output) {
    pool(layer, input, output, average);
}
