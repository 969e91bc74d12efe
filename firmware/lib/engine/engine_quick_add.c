// ADD of equal shapes, four values at a time.
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"

enum { FIRST_BITS = 19, SECOND_BITS = 20 };

static inline int32_t add(const struct engine_quick_add *layer, int32_t first, int32_t second) {
    const int32_t a = (first - layer->first_zero_point) * (1 << FIRST_BITS);
    const int32_t b = (second - layer->second_zero_point) * (1 << SECOND_BITS);
    const int32_t high = engine_add_high_product(b, layer->second.multiplier);
    const int32_t scaled = (high + (high >> 31) + layer->second.offset) >> layer->second.shift;
    return engine_quick(a + scaled, layer->factor);
}

static inline int32_t byte(uint32_t word, int32_t index) {
    return (int8_t)(word >> (8 * index) & 0xFF);
}

void engine_quick_add(
    const void *parameters, const struct engine_rows *sources, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_quick_add layer = *(const struct engine_quick_add *)parameters;
    const int8_t *first = engine_row(&sources[0], y), *second = engine_row(&sources[1], y);
    const int32_t low = layer.result.minimum, high = layer.result.maximum;
    const uint32_t minimum = engine_bytes(low, low, low, low), maximum = engine_bytes(high, high, high, high);
    int32_t left = layer.count;
    for (; left >= 4; left -= 4, first += 4, second += 4, output += 4) {
        const uint32_t a = engine_load(first), b = engine_load(second);
        const uint32_t sums = engine_bytes(add(&layer, byte(a, 0), byte(b, 0)), add(&layer, byte(a, 1), byte(b, 1)),
            add(&layer, byte(a, 2), byte(b, 2)), add(&layer, byte(a, 3), byte(b, 3)));
        engine_store(output, engine_smaller_bytes(engine_larger_bytes(sums, minimum), maximum));
    }
    for (; left > 0; left--) {
        *output++ = engine_clamp(add(&layer, *first++, *second++), low, high);
    }
}
