/* CONV_2D: input rows widened once into a ring, then blocks of 4 output channels x 2 pixels. */
#include "engine_dsp.h"
#include "engine_requantise.h"

enum { PIXELS = 2, BLOCK_BYTES = ENGINE_CONV_CHANNELS * ENGINE_CONV_VALUES };

/* Sums of a block: pixel-major. */
struct block {
    int32_t sum[PIXELS][ENGINE_CONV_CHANNELS];
};

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* Write input row `y` (outside the image: zeros) into a ring row, minus the zero point, between zeros for padding. */
static void widen_row(const struct engine_conv2d *layer, const int8_t *input, int32_t y, int16_t *row) {
    const int32_t depth = layer->input.channels;
    const int32_t left = smaller(layer->window.padding_left * depth, layer->row_values);
    int32_t filled = 0;
    if (y >= 0 && y < layer->input.height) {
        const int8_t *source = input + y * layer->input.width * depth;
        const int32_t count = smaller(layer->input.width * depth, layer->row_values - left);
        const int32_t zero_point = layer->input_zero_point;
        int16_t *target = row + left;
        memset(row, 0, (size_t)left * sizeof *row);
        for (int32_t i = 0; i < count; i++) {
            target[i] = (int16_t)(source[i] - zero_point);
        }
        filled = left + count;
    }
    memset(row + filled, 0, (size_t)(layer->row_values - filled) * sizeof *row);
}

/* Add one run to a block; returns the weights that follow. */
static inline const int8_t *add_run(
    const int8_t *weights, const int16_t *first, const int16_t *second, int32_t quads, struct block *block) {
    int32_t a0 = block->sum[0][0], a1 = block->sum[0][1], a2 = block->sum[0][2], a3 = block->sum[0][3];
    int32_t b0 = block->sum[1][0], b1 = block->sum[1][1], b2 = block->sum[1][2], b3 = block->sum[1][3];
    const int8_t *const end = weights + quads * BLOCK_BYTES;
    while (weights != end) {
        const uint32_t first_low = engine_load(first), first_high = engine_load(first + 2);
        const uint32_t second_low = engine_load(second), second_high = engine_load(second + 2);
        uint32_t packed = engine_load(weights), low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        a0 = engine_pair_product(high, first_high, engine_pair_product(low, first_low, a0));
        b0 = engine_pair_product(high, second_high, engine_pair_product(low, second_low, b0));
        packed = engine_load(weights + 4), low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        a1 = engine_pair_product(high, first_high, engine_pair_product(low, first_low, a1));
        b1 = engine_pair_product(high, second_high, engine_pair_product(low, second_low, b1));
        packed = engine_load(weights + 8), low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        a2 = engine_pair_product(high, first_high, engine_pair_product(low, first_low, a2));
        b2 = engine_pair_product(high, second_high, engine_pair_product(low, second_low, b2));
        packed = engine_load(weights + 12), low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        a3 = engine_pair_product(high, first_high, engine_pair_product(low, first_low, a3));
        b3 = engine_pair_product(high, second_high, engine_pair_product(low, second_low, b3));
        weights += BLOCK_BYTES;
        first += ENGINE_CONV_VALUES;
        second += ENGINE_CONV_VALUES;
    }
    *block = (struct block){{{a0, a1, a2, a3}, {b0, b1, b2, b3}}};
    return weights;
}

/* Compute one output row for the channels of one panel. */
static void convolve_row(const struct engine_conv2d *layer, const int8_t *panel, int32_t channel, int32_t ring_row,
    const int16_t *ring, int8_t *output) {
    const int32_t pixel_step = layer->window.stride_width * layer->input.channels;
    const int32_t depth = layer->output.channels;
    const int32_t count = smaller(depth - channel, ENGINE_CONV_CHANNELS);
    const struct engine_channel *channels = layer->channels + channel;
    struct block start = {0};
    for (int32_t i = 0; i < count; i++) {
        start.sum[0][i] = start.sum[1][i] = channels[i].bias;
    }
    for (int32_t x = 0; x < layer->output.width; x += PIXELS) {
        const int32_t pixels = smaller(layer->output.width - x, PIXELS);
        const int32_t distance = pixels == PIXELS ? pixel_step : 0; /* an odd last pixel is computed twice */
        struct block block = start;
        const int8_t *weights = panel;
        int32_t slot = ring_row;
        for (int32_t ky = 0; ky < layer->window.height; ky++) {
            const int16_t *values = ring + slot * layer->row_values + x * pixel_step;
            for (int32_t run = 0; run < layer->runs; run++) {
                weights = add_run(weights, values, values + distance, layer->run_quads, &block);
                values += layer->run_step;
            }
            slot += layer->window.dilation_height;
            slot -= slot >= layer->ring_rows ? layer->ring_rows : 0;
        }
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            int8_t *target = output + (x + pixel) * depth + channel;
            for (int32_t i = 0; i < count; i++) {
                target[i] = engine_finish(block.sum[pixel][i], channels[i].factor, &layer->result);
            }
        }
    }
}

void engine_conv2d(const struct engine_conv2d *layer, const int8_t *input, int8_t *output, void *scratch) {
    int16_t *const ring = scratch;
    const int32_t panel_bytes = layer->window.height * layer->runs * layer->run_quads * BLOCK_BYTES;
    const int32_t top = layer->window.padding_top;
    int32_t next = -top; /* the next input row to widen; row y lives in ring row (y + top) % ring_rows */
    for (int32_t y = 0; y < layer->output.height; y++) {
        const int32_t first = y * layer->window.stride_height - top;
        next = next < first ? first : next;
        for (; next < first + layer->ring_rows; next++) {
            widen_row(layer, input, next, ring + (next + top) % layer->ring_rows * layer->row_values);
        }
        const int8_t *panel = layer->weights;
        for (int32_t channel = 0; channel < layer->output.channels; channel += ENGINE_CONV_CHANNELS) {
            convolve_row(layer, panel, channel, (first + top) % layer->ring_rows, ring, output);
            panel += panel_bytes;
        }
        output += layer->output.width * layer->output.channels;
    }
}
