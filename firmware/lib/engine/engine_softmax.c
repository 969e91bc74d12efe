// SOFTMAX in fixed point: exponentials from a table, the reciprocal of their sum by Newton's method.
#include "engine_requantise.h"

enum { SUM_INTEGER_BITS = 12, OUTPUT_BITS = 8 };

static int32_t shift_left_saturating(int32_t value, int32_t bits) {
    const int64_t shifted = (int64_t)value * (1 << bits);
    const int64_t bounded = shifted > INT32_MAX ? INT32_MAX : shifted;
    return (int32_t)(bounded < INT32_MIN ? INT32_MIN : bounded);
}

// 1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31, as gemmlowp's one_over_one_plus_x_for_x_in_0_1.
static int32_t one_over_one_plus(int32_t x) {
    const int32_t start = 1515870810;  // 48/17 in Q2.29
    const int32_t slope = -1010580540; // -32/17 in Q2.29
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t guess = start + engine_high_product(half, slope);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - engine_high_product(half, guess);
        guess += shift_left_saturating(engine_high_product(guess, error), 2);
    }
    return shift_left_saturating(guess, 1);
}

static int32_t leading_zeros(uint32_t value) {
    int32_t count = 0;
    for (; !(value & 0x80000000U); value <<= 1) {
        count++;
    }
    return count;
}

static void softmax_row(const int32_t *table, int32_t depth, const int8_t *input, int8_t *output) {
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < depth; i++) {
        largest = input[i] > largest ? input[i] : largest;
    }
    uint32_t sum = 0;
    for (int32_t i = 0; i < depth; i++) {
        sum += (uint32_t)engine_shift_right(table[largest - input[i]], SUM_INTEGER_BITS);
    }
    const int32_t headroom = leading_zeros(sum);
    const int32_t reciprocal = one_over_one_plus((int32_t)((sum << headroom) - 0x80000000U));
    const int32_t shift = SUM_INTEGER_BITS - headroom + 31 - OUTPUT_BITS;
    for (int32_t i = 0; i < depth; i++) {
        const int32_t product = engine_high_product(reciprocal, table[largest - input[i]]);
        output[i] = engine_clamp(engine_shift_right(product, shift) + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void engine_softmax(const struct engine_softmax *layer, const int8_t *input, int8_t *output) {
    for (int32_t row = 0; row < layer->rows; row++) {
        softmax_row(layer->table, layer->depth, input, output);
        input += layer->depth;
        output += layer->depth;
    }
}
