// PAD and CONCATENATION: bytes moved, none changed.
#include <string.h>

#include "engine.h"

void engine_pad(const struct engine_pad *layer, const int8_t *input, int8_t *output) {
    const int32_t *in = layer->input_size, *out = layer->output_size, *before = layer->before;
    const size_t total = (size_t)out[0] * (size_t)out[1] * (size_t)out[2] * (size_t)out[3];
    memset(output, layer->value, total);
    for (int32_t i = 0; i < in[0]; i++) {
        for (int32_t j = 0; j < in[1]; j++) {
            for (int32_t k = 0; k < in[2]; k++) {
                const int32_t row = ((i + before[0]) * out[1] + j + before[1]) * out[2] + k + before[2];
                memcpy(output + row * out[3] + before[3], input, (size_t)in[3]);
                input += in[3];
            }
        }
    }
}

void engine_concatenate(const struct engine_concatenate *layer, const int8_t *const *inputs, int8_t *output) {
    for (int32_t row = 0; row < layer->outer; row++) {
        for (int32_t i = 0; i < layer->inputs; i++) {
            const size_t chunk = (size_t)layer->chunks[i];
            memcpy(output, inputs[i] + (size_t)row * chunk, chunk);
            output += chunk;
        }
    }
}
