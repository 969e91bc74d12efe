// QUANTIZE and DEQUANTIZE: the float ends of a model.
#include "engine_requantise.h"
#include "engine_view.h"

// Further from zero than any int8 minus any zero point.
static const float FAR = 512.0f;

// Halves away from zero. A conversion to int32 truncates, and what it drops is exact.
static inline int32_t round_near(float value) {
    const int32_t whole = (int32_t)value;
    const float rest = value - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline float bound(float value) {
    if (value != value) {
        return 0.0f;
    }
    return value < -FAR ? -FAR : value > FAR ? FAR : value;
}

void engine_quantise(
    const void *parameters, const struct engine_rows *source, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_quantisation *const layer = parameters;
    const float *const input = (const float *)(const void *)engine_row(source, y);
    for (int32_t i = 0; i < layer->count; i++) {
        const int32_t rounded = round_near(bound(input[i] / layer->scale));
        output[i] = engine_clamp(rounded + layer->zero_point, INT8_MIN, INT8_MAX);
    }
}

void engine_dequantise(
    const void *parameters, const struct engine_rows *source, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_quantisation *const layer = parameters;
    const int8_t *const input = engine_row(source, y);
    float *const result = (float *)(void *)output;
    for (int32_t i = 0; i < layer->count; i++) {
        result[i] = layer->scale * (float)(input[i] - layer->zero_point);
    }
}
