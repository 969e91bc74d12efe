// DEPTHWISE_CONV_2D row by row: direct, windows cut off at the border.
#include "engine_requantise.h"
#include "engine_view.h"
#include "engine_window.h"

void engine_depthwise(
    const void *parameters, const struct engine_rows *input, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_depthwise *const layer = parameters;
    const struct engine_window *window = &layer->window;
    const int32_t depth = layer->output.channels;
    const struct engine_span rows = engine_span(
        y * window->stride_height - window->padding_top, window->height, window->dilation_height, layer->input.height);
    for (int32_t x = 0; x < layer->output.width; x++) {
        const struct engine_span columns = engine_span(
            x * window->stride_width - window->padding_left, window->width, window->dilation_width, layer->input.width);
        int32_t channel = 0;
        for (int32_t source = 0; source < layer->input.channels; source++) {
            for (int32_t end = channel + layer->multiplier; channel < end; channel++) {
                int32_t sum = layer->channels[channel].bias;
                for (int32_t ky = rows.begin; ky < rows.end; ky++) {
                    const int8_t *row = engine_row(input, rows.origin + ky * window->dilation_height);
                    const int8_t *weights = layer->weights + ky * window->width * depth + channel;
                    for (int32_t kx = columns.begin; kx < columns.end; kx++) {
                        const int32_t pixel = columns.origin + kx * window->dilation_width;
                        const int32_t value = row[pixel * layer->input.channels + source];
                        const int32_t product = weights[kx * depth] * (value - layer->input_zero_point);
                        sum = engine_wrapping_add(sum, product);
                    }
                }
                *output++ = engine_finish(sum, layer->channels[channel].factor, &layer->result);
            }
        }
    }
}
