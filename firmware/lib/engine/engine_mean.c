// MEAN over one stretch of axes.
#include "engine_requantise.h"

void engine_mean(const struct engine_mean *layer, const int8_t *input, int8_t *output) {
    for (int32_t outer = 0; outer < layer->outer; outer++) {
        for (int32_t inner = 0; inner < layer->inner; inner++) {
            int32_t sum = 0;
            for (int32_t i = 0; i < layer->count; i++) {
                sum += input[i * layer->inner + inner];
            }
            const int32_t centred = sum - layer->input_zero_point * layer->count;
            const int32_t scaled = engine_wrapping_add(engine_scale(centred, layer->factor), layer->output_zero_point);
            *output++ = engine_clamp(scaled, INT8_MIN, INT8_MAX);
        }
        input += layer->count * layer->inner;
    }
}
