// CONV_2D: input rows widened once into a ring, then blocks of 2 output channels x 2 pixels.
#include "engine_dsp.h"
#include "engine_requantise.h"

enum { PIXELS = 2, QUAD_BYTES = ENGINE_CONV_CHANNELS * ENGINE_CONV_VALUES };

// Accumulators of a block: two pixels, two channels.
struct block {
    int32_t left_first, left_second;
    int32_t right_first, right_second;
};

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

// Write input row `y` (outside the image: zeros) into a ring row, minus the zero point, between zeros for padding.
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

// The ring row that lies `step` rows below `slot`.
static inline int32_t below(const struct engine_conv2d *layer, int32_t slot, int32_t step) {
    const int32_t next = slot + step;
    return next >= layer->ring_rows ? next - layer->ring_rows : next;
}

// Add one run of both pixels to a block. A function of its own, so that accumulators and pointers fit the registers.
ENGINE_NOINLINE static void add_run(
    const int8_t *weights, const int16_t *left, const int16_t *right, int32_t quads, struct block *block) {
    const int8_t *const end = weights + quads * QUAD_BYTES;
    struct block sum = *block;
#pragma GCC unroll 2
    for (; weights != end; weights += QUAD_BYTES, left += ENGINE_CONV_VALUES, right += ENGINE_CONV_VALUES) {
        const uint32_t left_low = engine_load(left), left_high = engine_load(left + 2);
        const uint32_t right_low = engine_load(right), right_high = engine_load(right + 2);
        uint32_t packed = engine_load(weights);
        uint32_t low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        sum.left_first = engine_pair_product(low, left_low, sum.left_first);
        sum.right_first = engine_pair_product(low, right_low, sum.right_first);
        sum.left_first = engine_pair_product(high, left_high, sum.left_first);
        sum.right_first = engine_pair_product(high, right_high, sum.right_first);
        packed = engine_load(weights + ENGINE_CONV_VALUES);
        low = engine_even_bytes(packed), high = engine_odd_bytes(packed);
        sum.left_second = engine_pair_product(low, left_low, sum.left_second);
        sum.right_second = engine_pair_product(low, right_low, sum.right_second);
        sum.left_second = engine_pair_product(high, left_high, sum.left_second);
        sum.right_second = engine_pair_product(high, right_high, sum.right_second);
    }
    *block = sum;
}

// Add the whole window to a block, run by run from the ring.
static void add_window(const struct engine_conv2d *layer, const int8_t *weights, const int16_t *ring, int32_t slot,
    int32_t distance, struct block *block) {
    for (int32_t ky = 0; ky < layer->window.height; ky++) {
        const int16_t *values = ring + slot * layer->row_values;
        for (int32_t run = 0; run < layer->runs; run++) {
            add_run(weights, values, values + distance, layer->run_quads, block);
            weights += layer->run_quads * QUAD_BYTES;
            values += layer->run_step;
        }
        slot = below(layer, slot, layer->window.dilation_height);
    }
}

// Copy the window of one pixel into one contiguous run.
static void gather(const struct engine_conv2d *layer, const int16_t *ring, int32_t slot, int16_t *patch) {
    for (int32_t ky = 0; ky < layer->window.height; ky++) {
        const int16_t *values = ring + slot * layer->row_values;
        for (int32_t kx = 0; kx < layer->window.width; kx++) {
            for (int32_t channel = 0; channel < layer->input.channels; channel++) {
                *patch++ = values[channel];
            }
            values += layer->run_step;
        }
        slot = below(layer, slot, layer->window.dilation_height);
    }
}

// Compute one or two neighbouring pixels; `ring` is at their column, `patches` has room for two windows or is unused.
static void convolve(const struct engine_conv2d *layer, const int16_t *ring, int32_t slot, int32_t pixels,
    int16_t *patches, int8_t *output) {
    const int32_t depth = layer->output.channels;
    const int32_t step = layer->window.stride_width * layer->input.channels;
    const int32_t distance = pixels == PIXELS ? step : 0; // a pixel alone is computed twice
    if (layer->patch_values) {
        gather(layer, ring, slot, patches);
        gather(layer, ring + distance, slot, patches + layer->patch_values);
    }
    const int8_t *panel = layer->weights;
    for (int32_t channel = 0; channel < depth; channel += ENGINE_CONV_CHANNELS, panel += layer->panel_bytes) {
        const struct engine_channel *const first = layer->channels + channel, *const second = first + 1;
        struct block sum = {first->bias, second->bias, first->bias, second->bias};
        if (layer->patch_values) {
            add_run(panel, patches, patches + layer->patch_values, layer->run_quads, &sum);
        } else {
            add_window(layer, panel, ring, slot, distance, &sum);
        }
        const struct engine_output *const result = &layer->result;
        int8_t *const left = output + channel, *const right = left + depth;
        left[0] = engine_finish(sum.left_first, first->factor, result);
        if (pixels == PIXELS) {
            right[0] = engine_finish(sum.right_first, first->factor, result);
        }
        if (channel + 1 < depth) {
            left[1] = engine_finish(sum.left_second, second->factor, result);
            if (pixels == PIXELS) {
                right[1] = engine_finish(sum.right_second, second->factor, result);
            }
        }
    }
}

void engine_conv2d(const struct engine_conv2d *layer, const int8_t *input, int8_t *output, void *scratch) {
    int16_t *const ring = scratch;
    int16_t *const patches = ring + layer->ring_rows * layer->row_values + ENGINE_CONV_VALUES;
    const int32_t top = layer->window.padding_top;
    const int32_t step = layer->window.stride_width * layer->input.channels;
    int32_t next = -top; // the next input row to widen; row y lives in ring row (y + top) % ring_rows
    for (int32_t y = 0; y < layer->output.height; y++) {
        const int32_t first = y * layer->window.stride_height - top;
        next = next < first ? first : next;
        for (; next < first + layer->ring_rows; next++) {
            widen_row(layer, input, next, ring + (next + top) % layer->ring_rows * layer->row_values);
        }
        for (int32_t x = 0; x < layer->output.width; x += PIXELS) {
            const int32_t pixels = smaller(layer->output.width - x, PIXELS);
            convolve(layer, ring + x * step, (first + top) % layer->ring_rows, pixels, patches, output);
            output += pixels * layer->output.channels;
        }
    }
}
