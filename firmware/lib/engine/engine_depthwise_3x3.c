// DEPTHWISE_CONV_2D with windows of 3x3, four channels at a time and two rows where the window moves down by one.
#include "engine_columns.h"
#include "engine_dsp.h"
#include "engine_view.h"

// Find the input rows of a step, `padding` for those outside the image; the last needed row stands for unneeded ones.
static void find_rows(const struct engine_depthwise_3x3 *layer, const struct engine_rows *input, int32_t top,
    int8_t *padding, const int8_t **rows) {
    const int32_t last = layer->window.height + layer->rows - 2;
    for (int32_t i = 0; i < ENGINE_COLUMN_ROWS; i++) {
        rows[i] = engine_row(input, top + engine_smaller(i, last));
        if (!rows[i]) {
            memset(padding, layer->input_zero_point, (size_t)input->row_bytes);
            rows[i] = padding;
        }
    }
}

// Fill `count` columns with the zero point, which the biases take off again.
static void fill(int32_t zero_point, int32_t count, uint32_t *columns) {
    for (int32_t i = 0; i < count * ENGINE_COLUMN_WORDS; i++) {
        columns[i] = engine_pair(zero_point, zero_point);
    }
}

// Put four channels of `rows` rows of results in their places, clamped.
static void spread(const struct engine_depthwise_3x3 *layer, const int8_t *results, int32_t rows, int8_t *output) {
    const struct engine_shape *const shape = &layer->output;
    const int32_t row_bytes = shape->width * shape->channels;
    const int32_t least = layer->result.minimum, most = layer->result.maximum;
    const uint32_t minimum = engine_bytes(least, least, least, least), maximum = engine_bytes(most, most, most, most);
    for (int32_t x = 0; x < shape->width; x++, output += shape->channels) {
        uint32_t upper = engine_load(results), lower = engine_load(results + ENGINE_CONV_CHANNELS);
        results += ENGINE_COLUMN_RESULTS * ENGINE_CONV_CHANNELS;
        if (least > INT8_MIN || most < INT8_MAX) {
            upper = engine_smaller_bytes(engine_larger_bytes(upper, minimum), maximum);
            lower = engine_smaller_bytes(engine_larger_bytes(lower, minimum), maximum);
        }
        engine_store(output, upper);
        if (rows > 1) {
            engine_store(output + row_bytes, lower);
        }
    }
}

void engine_depthwise_3x3(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    const struct engine_depthwise_3x3 *const layer = parameters;
    const struct engine_window *const window = &layer->window;
    const int32_t y = step * layer->rows, depth = layer->output.channels, width = layer->output.width;
    const int32_t made = engine_smaller(layer->rows, layer->output.height - y);
    const int32_t needed = (width - 1) * window->stride_width + window->width, left = window->padding_left;
    const int32_t inside = engine_smaller(layer->input.width, needed - left);
    engine_convolve_columns *const convolve =
        window->stride_width == 1 ? engine_convolve_each_column : engine_convolve_every_other_column;
    uint32_t *const columns = scratch;
    int8_t *const results = (int8_t *)(columns + needed * ENGINE_COLUMN_WORDS);
    int8_t *const padding = results + width * ENGINE_COLUMN_RESULTS * ENGINE_CONV_CHANNELS;
    const int8_t *rows[ENGINE_COLUMN_ROWS];
    find_rows(layer, input, y * window->stride_height - window->padding_top, padding, rows);
    fill(layer->input_zero_point, left, columns);
    fill(layer->input_zero_point, needed - left - inside, columns + (left + inside) * ENGINE_COLUMN_WORDS);
    for (int32_t channel = 0; channel < depth; channel += ENGINE_CONV_CHANNELS) {
        engine_pair_columns(rows, depth, inside, columns + left * ENGINE_COLUMN_WORDS);
        convolve(columns, layer->channels + channel, width, results);
        spread(layer, results, made, output + channel);
        for (int32_t i = 0; i < ENGINE_COLUMN_ROWS; i++) {
            rows[i] += ENGINE_CONV_CHANNELS;
        }
    }
}
