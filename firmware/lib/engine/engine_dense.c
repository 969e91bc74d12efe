// FULLY_CONNECTED: one dot product for each row and output.
#include "engine_dsp.h"
#include "engine_requantise.h"

static int32_t dot(const int8_t *a, const int8_t *b, int32_t count, int32_t sum) {
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const uint32_t left = engine_load(a + i), right = engine_load(b + i);
        sum = engine_pair_product(engine_even_bytes(left), engine_even_bytes(right), sum);
        sum = engine_pair_product(engine_odd_bytes(left), engine_odd_bytes(right), sum);
    }
    for (; i < count; i++) {
        sum = engine_wrapping_add(sum, a[i] * b[i]);
    }
    return sum;
}

// sum * scale to the nearest integer, halves away from zero; INT32_MIN where it does not fit, as on x86.
static int32_t scale_and_round(int32_t sum, double scale) {
    const double product = (double)sum * scale;
    if (!(product > (double)INT32_MIN && product < (double)INT32_MAX)) {
        return INT32_MIN;
    }
    const int32_t whole = (int32_t)product;
    const double rest = product - (double)whole;
    return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

void engine_dense(const struct engine_dense *layer, const int8_t *input, int8_t *output) {
    for (int32_t row = 0; row < layer->rows; row++) {
        const int8_t *weights = layer->weights;
        for (int32_t i = 0; i < layer->outputs; i++) {
            const struct engine_dense_output *channel = layer->channels + i;
            const int32_t sum = dot(weights, input, layer->depth, channel->bias);
            const int32_t scaled = scale_and_round(sum, channel->scale);
            *output++ = engine_clamp(
                engine_wrapping_add(scaled, layer->result.zero_point), layer->result.minimum, layer->result.maximum);
            weights += layer->depth;
        }
        input += layer->depth;
    }
}
