// Private to the engine: the part of a window that lies inside the image, in one dimension.
#ifndef ENGINE_WINDOW_H
#define ENGINE_WINDOW_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Window positions begin..end-1 are inside; position k is at origin + k * dilation.
struct engine_span {
    int32_t origin;
    int32_t begin;
    int32_t end;
};

static inline struct engine_span engine_span(int32_t origin, int32_t window, int32_t dilation, int32_t size) {
    const int32_t begin = origin < 0 ? (-origin + dilation - 1) / dilation : 0;
    const int32_t fitting = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    const int32_t end = fitting < window ? fitting : window;
    const struct engine_span span = {origin, begin, end < begin ? begin : end};
    return span;
}

#ifdef __cplusplus
}
#endif

#endif
