// Private to the engine: TensorFlow Lite's rounding. Twin of host/tinyscene/compiler/quantisation.py.
//
// The sums wrap as two's complement does, without undefined behaviour: what TensorFlow Lite's own code gives too.
#ifndef ENGINE_REQUANTISE_H
#define ENGINE_REQUANTISE_H

#include "engine.h"
#include "engine_dsp.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline int32_t engine_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

// round(a * b / 2^31), halves up (gemmlowp's SaturatingRoundingDoublingHighMul for b > -2^31).
static inline int32_t engine_high_product(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

// value / 2^exponent, halves away from zero (gemmlowp's RoundingDivideByPOT), exponent 0..31, value > INT32_MIN.
static inline int32_t engine_shift_right(int32_t value, int32_t exponent) {
    if (exponent == 0) {
        return value;
    }
    const int32_t tie_away = value + (value >> 31); // one less where negative, so that halves go down there
    const int32_t halves = tie_away >> (exponent - 1);
    return (halves >> 1) + (halves & 1);
}

// value * factor, with both of TensorFlow Lite's roundings (MultiplyByQuantizedMultiplier).
static inline int32_t engine_scale(int32_t value, struct engine_factor factor) {
    if (factor.shift >= 0) {
        return engine_high_product((int32_t)((uint32_t)value << factor.shift), factor.multiplier);
    }
    return engine_shift_right(engine_high_product(value, factor.multiplier), -factor.shift);
}

static inline int8_t engine_clamp(int32_t value, int32_t minimum, int32_t maximum) {
    const int32_t bounded = value < minimum ? minimum : value;
    return (int8_t)(bounded > maximum ? maximum : bounded);
}

// value * factor + zero point, saturated to int8: what engine_finish gives before it clamps, in five instructions. The
// high product is rounded by the instruction; what is added rounds the shift, halves away from zero. Where the addition
// saturates, the result lies beyond int8: 2^31 / 2^22 = 512.
static inline int32_t engine_quick(int32_t value, struct engine_quick_factor factor) {
    const int32_t high = engine_add_high_product(value, factor.multiplier);
    const int32_t tie_away = high + (high >> 31);
    return engine_saturate_byte(engine_saturating_add(tie_away, factor.offset) >> factor.shift);
}

// Clamp results in place, unless they may be any int8.
static inline void engine_clamp_bytes(int8_t *values, int32_t count, int32_t minimum, int32_t maximum) {
    if (minimum > INT8_MIN || maximum < INT8_MAX) {
        for (int32_t i = 0; i < count; i++) {
            values[i] = engine_clamp(values[i], minimum, maximum);
        }
    }
}

// The last step of a layer: an accumulator becomes an int8 output.
static inline int8_t engine_finish(int32_t sum, struct engine_factor factor, const struct engine_output *result) {
    const int32_t scaled = engine_wrapping_add(engine_scale(sum, factor), result->zero_point);
    return engine_clamp(scaled, result->minimum, result->maximum);
}

#ifdef __cplusplus
}
#endif

#endif
