// ADD and MUL with broadcasting, and functions of one value.
#include "engine_requantise.h"
#include "engine_view.h"

enum { ADD_EXTRA_BITS = 20 };

// One result of a two-operand layer.
typedef int8_t combine(const void *layer, int32_t first, int32_t second);

static inline int8_t add(const void *parameters, int32_t first, int32_t second) {
    const struct engine_add *layer = parameters;
    const int32_t a = engine_scale((first - layer->first_zero_point) * (1 << ADD_EXTRA_BITS), layer->first_factor);
    const int32_t b = engine_scale((second - layer->second_zero_point) * (1 << ADD_EXTRA_BITS), layer->second_factor);
    return engine_finish(a + b, layer->factor, &layer->result);
}

static inline int8_t multiply(const void *parameters, int32_t first, int32_t second) {
    const struct engine_mul *layer = parameters;
    const int32_t product = (first - layer->first_zero_point) * (second - layer->second_zero_point);
    return engine_finish(product, layer->factor, &layer->result);
}

static inline void broadcast(const struct engine_broadcast *shape, const void *layer, const int8_t *first,
    const int8_t *second, int8_t *output, combine *operation) {
    const int32_t *size = shape->size, *fs = shape->first_step, *ss = shape->second_step;
    for (int32_t i = 0; i < size[0]; i++) {
        for (int32_t j = 0; j < size[1]; j++) {
            for (int32_t k = 0; k < size[2]; k++) {
                const int8_t *a = first + i * fs[0] + j * fs[1] + k * fs[2];
                const int8_t *b = second + i * ss[0] + j * ss[1] + k * ss[2];
                for (int32_t l = 0; l < size[3]; l++) {
                    *output++ = operation(layer, a[l * fs[3]], b[l * ss[3]]);
                }
            }
        }
    }
}

void engine_add(const struct engine_add *layer, const int8_t *first, const int8_t *second, int8_t *output) {
    broadcast(&layer->shape, layer, first, second, output, add);
}

void engine_mul(const struct engine_mul *layer, const int8_t *first, const int8_t *second, int8_t *output) {
    broadcast(&layer->shape, layer, first, second, output, multiply);
}

void engine_add_row(const void *layer, const struct engine_rows *sources, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    engine_add(layer, engine_row(&sources[0], y), engine_row(&sources[1], y), output);
}

void engine_mul_row(const void *layer, const struct engine_rows *sources, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    engine_mul(layer, engine_row(&sources[0], y), engine_row(&sources[1], y), output);
}

void engine_table(const void *parameters, const struct engine_rows *source, int32_t y, int8_t *output, void *scratch) {
    (void)scratch;
    const struct engine_table *const layer = parameters;
    const int8_t *input = engine_row(source, y);
    for (int32_t i = 0; i < layer->count; i++) {
        output[i] = layer->table[input[i] - INT8_MIN];
    }
}
