// Sums of a row of an image.
#include "engine_sums.h"

#include "engine_view.h"

bool engine_sum_row(const struct engine_rows *image, int32_t y, int32_t depth, int32_t *sums) {
    const int8_t *const row = engine_row(image, y);
    const int32_t pixels = image->row_bytes / depth;
    if (y == 0) {
        memset(sums, 0, (size_t)depth * sizeof *sums);
    }
    int32_t channel = 0;
    for (; channel + ENGINE_QUAD_CHANNELS <= depth; channel += ENGINE_QUAD_CHANNELS) {
        for (int32_t x = 0; x < pixels; x += ENGINE_PAIRED_PIXELS) {
            const int32_t count = engine_smaller(pixels - x, ENGINE_PAIRED_PIXELS);
            const struct engine_quad_sums none = {0, 0};
            engine_add_quad(engine_sum_pixels(none, row + x * depth + channel, count, depth), sums + channel);
        }
    }
    for (; channel < depth; channel++) {
        sums[channel] = engine_sum_values(sums[channel], row + channel, pixels, depth);
    }
    return y == image->height - 1;
}
