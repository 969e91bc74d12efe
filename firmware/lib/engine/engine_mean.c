// MEAN over one stretch of axes.
#include "engine_requantise.h"
#include "engine_sums.h"

static inline int8_t mean_of(const struct engine_mean *layer, int32_t sum) {
    const int32_t centred = sum - layer->input_zero_point * layer->count;
    const int32_t scaled = engine_wrapping_add(engine_scale(centred, layer->factor), layer->output_zero_point);
    return engine_clamp(scaled, INT8_MIN, INT8_MAX);
}

void engine_mean(const struct engine_mean *layer, const int8_t *input, int8_t *output) {
    for (int32_t outer = 0; outer < layer->outer; outer++) {
        for (int32_t inner = 0; inner < layer->inner; inner++) {
            *output++ = mean_of(layer, engine_sum_values(0, input + inner, layer->count, layer->inner));
        }
        input += layer->count * layer->inner;
    }
}

void engine_mean_by_rows(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *state) {
    const struct engine_mean *const layer = parameters;
    int32_t *const sums = state;
    if (engine_sum_row(input, step, layer->inner, sums)) {
        for (int32_t channel = 0; channel < layer->inner; channel++) {
            output[channel] = mean_of(layer, sums[channel]);
        }
    }
}
