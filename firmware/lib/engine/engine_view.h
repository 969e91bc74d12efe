// Private to the engine: finding the rows of a tensor.
#ifndef ENGINE_VIEW_H
#define ENGINE_VIEW_H

#include <stddef.h>

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// Row `y`; null outside the image.
static inline const int8_t *engine_row(const struct engine_rows *rows, int32_t y) {
    return y < 0 || y >= rows->height ? NULL : rows->base + y % rows->capacity * rows->row_bytes;
}

static inline int32_t engine_smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline int32_t engine_larger(int32_t a, int32_t b) {
    return a > b ? a : b;
}

#ifdef __cplusplus
}
#endif

#endif
