// ADD of equal shapes, four values at a time.
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"

enum { FIRST_BITS = 19, SECOND_BITS = 20 };

// The layer with both zero points brought to the scale of their operands.
struct sum {
    int32_t first_zero;
    int32_t second_zero;
    struct engine_quick_factor second, factor;
};

static inline int32_t add(const struct sum *sum, int32_t first, int32_t second) {
    const int32_t a = first * (1 << FIRST_BITS) - sum->first_zero;
    const int32_t b = second * (1 << SECOND_BITS) - sum->second_zero;
    const int32_t high = engine_add_high_product(b, sum->second.multiplier);
    const int32_t scaled = (high + (high >> 31) + sum->second.offset) >> sum->second.shift;
    return engine_quick(a + scaled, sum->factor);
}

static inline int32_t byte(uint32_t word, int32_t index) {
    return (int8_t)(word >> (8 * index) & 0xFF);
}

void engine_quick_add(
    const void *parameters, const struct engine_rows *sources, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_quick_add *const layer = parameters;
    const int8_t *first = engine_row(&sources[0], y), *second = engine_row(&sources[1], y);
    const struct sum sum = {layer->first_zero_point * (1 << FIRST_BITS), layer->second_zero_point * (1 << SECOND_BITS),
        layer->second, layer->factor};
    int32_t i = 0;
    for (; i + 4 <= layer->count; i += 4) {
        const uint32_t a = engine_load(first + i), b = engine_load(second + i);
        const int32_t low = add(&sum, byte(a, 0), byte(b, 0)), next = add(&sum, byte(a, 1), byte(b, 1));
        const int32_t third = add(&sum, byte(a, 2), byte(b, 2)), high = add(&sum, byte(a, 3), byte(b, 3));
        engine_store(output + i, engine_bytes(low, next, third, high));
    }
    for (; i < layer->count; i++) {
        output[i] = (int8_t)add(&sum, first[i], second[i]);
    }
    engine_clamp_bytes(output, layer->count, layer->result.minimum, layer->result.maximum);
}
