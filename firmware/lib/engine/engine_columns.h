// Private to the engine: depthwise 3x3 windows over four channels, column by column, two output rows at once.
#ifndef ENGINE_COLUMNS_H
#define ENGINE_COLUMNS_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// A column is four input rows of four channels, as pairs of int16: for each channel rows 0 and 1, then rows 2 and 3.
enum { ENGINE_COLUMN_WORDS = 2 * ENGINE_CONV_CHANNELS };

// Widen `count` pixels, at least one, `depth` bytes apart in each row, to columns.
void engine_pair_columns(const int8_t *const rows[ENGINE_COLUMN_ROWS], int32_t depth, int32_t count, uint32_t *columns);

// Convolve and requantise `count` windows, at least one, of three columns each; the next window starts one column to
// the right, or two. Results: for each window four channels of the upper row, of the lower row.
typedef void engine_convolve_columns(
    const uint32_t *columns, const struct engine_depthwise_channel *channels, int32_t count, int8_t *results);
engine_convolve_columns engine_convolve_each_column, engine_convolve_every_other_column;

#ifdef __cplusplus
}
#endif

#endif
