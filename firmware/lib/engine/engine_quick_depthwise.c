// DEPTHWISE_CONV_2D without multiplier, four channels at a time.
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"
#include "engine_window.h"

// The four channels' values and weights of a pixel are a word each; windows are cut off at the border.
static inline uint32_t convolve(const struct engine_quick_depthwise *layer, const int8_t *const *rows,
    struct engine_span span, const struct engine_span *columns, const int8_t *weights,
    const struct engine_panel *panel) {
    const int32_t depth = layer->output.channels, step = layer->window.dilation_width * depth;
    const uint32_t zero_point = engine_pair(layer->input_zero_point, layer->input_zero_point);
    int32_t sums[ENGINE_CONV_CHANNELS] = {panel->bias[0], panel->bias[1], panel->bias[2], panel->bias[3]};
    for (int32_t ky = span.begin; ky < span.end; ky++) {
        const int8_t *values = rows[ky] + columns->begin * step;
        const int8_t *taps = weights + (ky * layer->window.width + columns->begin) * depth;
        for (int32_t left = columns->end - columns->begin; left > 0; left--, values += step, taps += depth) {
            const uint32_t bytes = engine_load(values), tap = engine_load(taps);
            const uint32_t even = engine_subtract_pairs(engine_even_bytes(bytes), zero_point);
            const uint32_t odd = engine_subtract_pairs(engine_odd_bytes(bytes), zero_point);
            const uint32_t even_taps = engine_even_bytes(tap), odd_taps = engine_odd_bytes(tap);
            sums[0] = engine_low_product(even, even_taps, sums[0]);
            sums[1] = engine_low_product(odd, odd_taps, sums[1]);
            sums[2] = engine_top_product(even, even_taps, sums[2]);
            sums[3] = engine_top_product(odd, odd_taps, sums[3]);
        }
    }
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        sums[channel] = engine_quick(sums[channel], panel->factors[channel]);
    }
    return engine_bytes(sums[0], sums[1], sums[2], sums[3]);
}

void engine_quick_depthwise(
    const void *parameters, const struct engine_rows *input, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_quick_depthwise *const layer = parameters;
    const struct engine_window *const window = &layer->window;
    const int32_t depth = layer->output.channels;
    const struct engine_span span = engine_span(
        y * window->stride_height - window->padding_top, window->height, window->dilation_height, input->height);
    const int8_t *starts[ENGINE_MAX_QUICK_HEIGHT], *rows[ENGINE_MAX_QUICK_HEIGHT];
    for (int32_t ky = span.begin; ky < span.end; ky++) {
        starts[ky] = engine_row(input, span.origin + ky * window->dilation_height);
    }
    int8_t *target = output;
    for (int32_t x = 0; x < layer->output.width; x++) {
        const struct engine_span columns = engine_span(
            x * window->stride_width - window->padding_left, window->width, window->dilation_width, layer->input.width);
        const struct engine_panel *panel = layer->panels;
        for (int32_t ky = span.begin; ky < span.end; ky++) {
            rows[ky] = starts[ky] + columns.origin * depth;
        }
        for (int32_t channel = 0; channel < depth; channel += ENGINE_CONV_CHANNELS, panel++) {
            engine_store(target, convolve(layer, rows, span, &columns, layer->weights + channel, panel));
            target += ENGINE_CONV_CHANNELS;
            for (int32_t ky = span.begin; ky < span.end; ky++) {
                rows[ky] += ENGINE_CONV_CHANNELS;
            }
        }
    }
    engine_clamp_bytes(output, layer->output.width * depth, layer->result.minimum, layer->result.maximum);
}
