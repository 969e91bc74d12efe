// CONV_2D row by row, with the max-pool after it: blocks of 4 output channels x 2 pixels, requantised, packed, pooled.
#include "engine_block.h"
#include "engine_conv_input.h"
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"
#include "engine_widen.h"
#include "engine_window.h"

enum { STEP_VALUES = 2, STEP_WORDS = 2, CHANNEL_BITS = 8 };

// How results reach the output: as they are, as the larger of them and what is there, or through finish().
enum ending { STORE, ACCUMULATE, FINISH };

// What is the same for all blocks of a panel.
struct work {
    const struct engine_conv2d *layer;
    const struct engine_panel *panel;
    const uint32_t *weights;
    struct engine_windows windows;
    int32_t pair_words; // words from the values of a pair of pooled pixels to those of the next
    int32_t width;      // width of all output rows that are computed together
    enum ending ending;
    uint32_t minimum; // the layer's, in each of four bytes
    uint32_t maximum;
    int32_t channel;    // the panel's first one
    int32_t accumulate; // keep the larger of the result and what is in the output
};

// FINISH where factors are not quick, results are clamped, or the panel has fewer than four channels.
static enum ending ending(const struct work *work) {
    const struct engine_output *const result = &work->layer->result;
    const int32_t clamps = result->minimum > INT8_MIN || result->maximum < INT8_MAX;
    if (!work->layer->quick || clamps || work->layer->output.channels - work->channel < ENGINE_CONV_CHANNELS) {
        return FINISH;
    }
    return work->accumulate ? ACCUMULATE : STORE;
}

// Requantise the sums of a block's left or right pixel, as engine_block does where the factors are quick.
static uint32_t requantise(const struct work *work, int32_t pixel) {
    uint32_t packed = 0;
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        const struct engine_quick_factor *const factor = &work->panel->factors[channel];
        const struct engine_factor plain = {factor->multiplier, factor->shift};
        const int32_t sum = work->windows.sums[ENGINE_BLOCK_PIXELS * channel + pixel];
        packed |= (uint32_t)(uint8_t)engine_finish(sum, plain, &work->layer->result) << (CHANNEL_BITS * channel);
    }
    return packed;
}

// Finish four channels of a pixel, or as many as there are: clamp them, and accumulate or store them.
ENGINE_NOINLINE static void finish(const struct work *work, int32_t pixel, uint32_t packed, int8_t *output) {
    const uint32_t quick = work->layer->quick ? packed : requantise(work, pixel);
    const uint32_t clamped = engine_smaller_bytes(engine_larger_bytes(quick, work->minimum), work->maximum);
    const int32_t channels = work->layer->output.channels - work->channel;
    if (channels >= ENGINE_CONV_CHANNELS) {
        engine_store(output, work->accumulate ? engine_larger_bytes(clamped, engine_load(output)) : clamped);
        return;
    }
    for (int32_t channel = 0; channel < channels; channel++) {
        const int8_t value = (int8_t)(clamped >> (CHANNEL_BITS * channel) & 0xFF);
        output[channel] = work->accumulate && output[channel] > value ? output[channel] : value;
    }
}

static inline void put(const struct work *work, enum ending ending, int32_t pixel, uint32_t packed, int8_t *output) {
    if (ending == STORE) {
        engine_store(output, packed);
    } else if (ending == ACCUMULATE) {
        engine_store(output, engine_larger_bytes(packed, engine_load(output)));
    } else {
        finish(work, pixel, packed, output);
    }
}

// Compute a panel's channels of `count` pairs of pooled pixels, the first of them pair `first` of the row.
ENGINE_NOINLINE static void convolve(
    const struct work *work, const uint32_t *values, int32_t first, int32_t count, int8_t *output) {
    const int32_t depth = work->layer->output.channels;
    const int32_t right = work->layer->pairs * depth; // from a pair's left pixel to its right one
    const int32_t pair_words = work->pair_words;
    const struct engine_panel *const panel = work->panel;
    const uint32_t *const weights = work->weights;
    const enum ending ending = work->ending;
    int32_t complete = work->width - work->layer->pairs - first; // pairs whose right pixel exists
    int8_t *target = output + first * depth + work->channel;
    for (; count > 0; count--, complete--, values += pair_words, target += depth) {
        const uint64_t results = engine_block(weights, values, &work->windows, panel);
        put(work, ending, 0, (uint32_t)results, target);
        if (complete > 0) {
            put(work, ending, 1, (uint32_t)(results >> 32), target + right);
        }
    }
}

// The kernel rows to compute with: those that lie inside the image, at least one.
static struct engine_span used_rows(const struct engine_conv2d *layer, const struct engine_rows *input, int32_t top) {
    const int32_t height = layer->window.height;
    const struct engine_span first = {top, 0, 1};
    const struct engine_span inside = engine_span(top, height, layer->window.dilation_height, input->height);
    return inside.begin < inside.end ? inside : first;
}

// Widen a panel's weights for the used kernel rows; they lie together for each kernel column.
static void widen_weights(
    const struct engine_conv2d *layer, const int8_t *packed, struct engine_span used, uint32_t *widened) {
    if (layer->layout == ENGINE_PATCHES || used.end - used.begin == layer->window.height) {
        engine_widen_panel(packed, layer->steps, widened);
        return;
    }
    const int32_t row_steps = layer->input.channels / STEP_VALUES;
    const int32_t steps = (used.end - used.begin) * row_steps;
    packed += used.begin * row_steps * STEP_VALUES * ENGINE_CONV_CHANNELS;
    for (int32_t kx = 0; kx < layer->window.width; kx++) {
        engine_widen_panel(packed, steps, widened);
        packed += layer->window.height * row_steps * STEP_VALUES * ENGINE_CONV_CHANNELS;
        widened += steps * ENGINE_CONV_CHANNELS;
    }
}

void engine_conv2d(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    const struct engine_conv2d *const layer = parameters;
    const struct engine_fused_pool *const pool = &layer->pool;
    const struct engine_output *const result = &layer->result;
    const int32_t pool_row = step % pool->height;
    const int32_t y = (step / pool->height * pool->stride_height + pool_row) * layer->rows;
    const int32_t together = layer->rows > 1 ? engine_smaller(layer->rows, layer->output.height - y) : 1;
    const int32_t top = y * layer->window.stride_height - layer->window.padding_top;
    const int32_t panel_words = layer->steps * ENGINE_CONV_CHANNELS;
    uint32_t *const widened = scratch;
    uint32_t *const rows = widened + panel_words;
    uint32_t *const patches = rows + (layer->window.height + 1) / 2 * layer->row_words;
    const struct engine_span used = used_rows(layer, input, top);
    int32_t sums[ENGINE_BLOCK_SUMS];
    struct work work = {
        .layer = layer,
        .weights = widened,
        .width = together * layer->output.width,
        .minimum = engine_bytes(result->minimum, result->minimum, result->minimum, result->minimum),
        .maximum = engine_bytes(result->maximum, result->maximum, result->maximum, result->maximum),
        .accumulate = pool_row,
    };
    const int32_t copied = layer->layout == ENGINE_PATCHES;
    if (copied) {
        engine_pack_rows(layer, input, top, rows);
        work.windows = engine_windows(layer->steps, pool->width, layer->steps * STEP_WORDS * 4);
        work.pair_words = pool->width * layer->steps * STEP_WORDS;
    } else {
        const int32_t count = used.end - used.begin;
        const int32_t column = layer->window.stride_width * count * layer->input.channels;
        engine_widen_rows(layer, input, used, together, rows);
        work.windows = engine_windows(layer->steps / layer->window.height * count, pool->width, column * 4);
        work.pair_words = pool->stride_width * column;
    }
    work.windows.sums = layer->quick ? NULL : sums;
    for (int32_t first = 0; first < layer->pairs; first += layer->chunk) {
        const int32_t count = engine_smaller(layer->chunk, layer->pairs - first);
        if (copied) {
            engine_copy_patches(layer, rows, first, count, patches);
        }
        const int8_t *weights = layer->weights;
        work.panel = layer->panels;
        for (work.channel = 0; work.channel < layer->output.channels; work.channel += ENGINE_CONV_CHANNELS) {
            widen_weights(layer, weights, used, widened);
            work.ending = ending(&work);
            convolve(&work, copied ? patches : rows, first, count, output);
            work.panel++;
            weights += panel_words * STEP_VALUES;
        }
    }
}
