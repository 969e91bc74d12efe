// FULLY_CONNECTED: each row widened once, then four outputs at a time.
#include "engine_dense_sums.h"
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"

// Widen a row, filled up with zeros to whole quads: for each quad, values 0 and 2, then values 1 and 3.
static void widen(const int8_t *values, int32_t count, uint32_t *target) {
    for (; count >= 4; count -= 4, values += 4, target += 2) {
        const uint32_t bytes = engine_load(values);
        target[0] = engine_even_bytes(bytes);
        target[1] = engine_odd_bytes(bytes);
    }
    if (count > 0) {
        const uint32_t bytes = engine_bytes(values[0], count > 1 ? values[1] : 0, count > 2 ? values[2] : 0, 0);
        target[0] = engine_even_bytes(bytes);
        target[1] = engine_odd_bytes(bytes);
    }
}

// sum * scale to the nearest integer, halves away from zero; INT32_MIN where it does not fit, as on x86. In doubles,
// which cost hundreds of instructions where they are emulated.
ENGINE_NOINLINE static int32_t scale_in_doubles(int32_t sum, double scale) {
    const double product = (double)sum * scale;
    if (!(product > (double)INT32_MIN && product < (double)INT32_MAX)) {
        return INT32_MIN;
    }
    const int32_t whole = (int32_t)product;
    const double rest = product - (double)whole;
    return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

// The same. `high` lies less than 1.5 units of 2^-fraction_bits below the product and less than half a unit above it;
// if no half is so near, it rounds as the product does.
static int32_t scale_and_round(int32_t sum, const struct engine_dense_output *channel) {
    const int32_t bits = channel->fraction_bits;
    if (bits > 0) {
        const int32_t high = (int32_t)(((int64_t)sum * channel->multiplier) >> 32);
        const int32_t half = 1 << (bits - 1), fraction = high & ((1 << bits) - 1);
        if (fraction != half && fraction != half - 1) {
            return (high + half) >> bits;
        }
    }
    return scale_in_doubles(sum, channel->scale);
}

void engine_dense(const struct engine_dense *layer, const int8_t *input, int8_t *output, void *scratch) {
    const int32_t quads = (layer->depth + 3) / 4;
    for (int32_t row = 0; row < layer->rows; row++, input += layer->depth) {
        const int8_t *weights = layer->weights;
        widen(input, layer->depth, scratch);
        for (int32_t first = 0; first < layer->outputs; first += ENGINE_CONV_CHANNELS) {
            const int32_t count = engine_smaller(layer->outputs - first, ENGINE_CONV_CHANNELS);
            int32_t sums[ENGINE_CONV_CHANNELS];
            engine_dense_sums(weights, scratch, quads, sums);
            for (int32_t i = 0; i < count; i++) {
                const struct engine_dense_output *const channel = &layer->channels[first + i];
                const int32_t scaled = scale_and_round(engine_wrapping_add(sums[i], channel->bias), channel);
                *output++ = engine_clamp(engine_wrapping_add(scaled, layer->result.zero_point), layer->result.minimum,
                    layer->result.maximum);
            }
            weights += quads * 4 * ENGINE_CONV_CHANNELS;
        }
    }
}
