// CONV_2D row by row, with the max-pool after it: blocks of 4 output channels x 2 pixels, requantised, packed, pooled.
#include "engine_conv_input.h"
#include "engine_dot.h"
#include "engine_dsp.h"
#include "engine_requantise.h"
#include "engine_view.h"

enum { STEP_VALUES = 2, STEP_WORDS = 2, CHANNEL_BITS = 8 };

// Where the values of pooled pixels lie: words from a pair of them to the next, and between columns of a pool's window.
struct strides {
    int32_t pair;
    int32_t column;
};

// Factors of a panel, ready for use.
struct finish {
    const struct engine_conv2d *layer;
    const struct engine_panel *panel;
    struct engine_quick_factor quick[ENGINE_CONV_CHANNELS]; // if the layer is quick
    uint32_t minimum, maximum;                              // four times
};

// Four results of a pixel each.
struct pixels {
    uint32_t left, right;
};

// Widen the int8 weights of a panel to int16.
static void widen_panel(const int8_t *packed, int32_t steps, uint32_t *panel) {
    for (; steps > 0; steps--, packed += STEP_VALUES * ENGINE_CONV_CHANNELS, panel += ENGINE_CONV_CHANNELS) {
        const uint32_t first = engine_load(packed), second = engine_load(packed + 4);
        panel[0] = engine_even_bytes(first);
        panel[1] = engine_odd_bytes(first);
        panel[2] = engine_even_bytes(second);
        panel[3] = engine_odd_bytes(second);
    }
}

static inline struct pixels finish_quickly(const struct finish *finish, const int32_t *sums) {
    int32_t left[ENGINE_CONV_CHANNELS], right[ENGINE_CONV_CHANNELS];
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        left[channel] = engine_quick(sums[2 * channel], finish->quick[channel]);
        right[channel] = engine_quick(sums[2 * channel + 1], finish->quick[channel]);
    }
    return (struct pixels){
        engine_bytes(left[0], left[1], left[2], left[3]),
        engine_bytes(right[0], right[1], right[2], right[3]),
    };
}

static struct pixels finish_any(const struct finish *finish, const int32_t *sums) {
    struct pixels packed = {0, 0};
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        const struct engine_factor factor = {finish->panel->multiplier[channel], finish->panel->shift[channel]};
        const int8_t left = engine_finish(sums[2 * channel], factor, &finish->layer->result);
        const int8_t right = engine_finish(sums[2 * channel + 1], factor, &finish->layer->result);
        packed.left |= (uint32_t)(uint8_t)left << (CHANNEL_BITS * channel);
        packed.right |= (uint32_t)(uint8_t)right << (CHANNEL_BITS * channel);
    }
    return packed;
}

static struct finish make_finish(const struct engine_conv2d *layer, const struct engine_panel *panel) {
    const struct engine_output *const result = &layer->result;
    struct finish finish = {layer, panel, {{0, 0, 0}}, 0, 0};
    if (layer->quick) {
        for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
            finish.quick[channel] =
                engine_quick_factor(panel->multiplier[channel], panel->shift[channel], result->zero_point);
        }
    }
    finish.minimum = engine_bytes(result->minimum, result->minimum, result->minimum, result->minimum);
    finish.maximum = engine_bytes(result->maximum, result->maximum, result->maximum, result->maximum);
    return finish;
}

// Store four channels of a pixel, or the first `channels`; `accumulate`: the larger of them and what is there.
static inline void store(int8_t *output, uint32_t packed, int32_t channels, int32_t accumulate) {
    if (channels >= ENGINE_CONV_CHANNELS) {
        engine_store(output, accumulate ? engine_larger_bytes(packed, engine_load(output)) : packed);
        return;
    }
    for (int32_t channel = 0; channel < channels; channel++) {
        const int8_t value = (int8_t)(packed >> (CHANNEL_BITS * channel) & 0xFF);
        output[channel] = accumulate && output[channel] > value ? output[channel] : value;
    }
}

// Compute one panel's channels of `count` pairs of pooled pixels, the first of them pair `first` of the row.
static void convolve(const struct finish *finish, const uint32_t *weights, const uint32_t *values,
    const struct engine_dot *shape, struct strides strides, int32_t first, int32_t count, int32_t channel,
    int32_t accumulate, int8_t *output) {
    const struct engine_conv2d *const layer = finish->layer;
    const int32_t depth = layer->output.channels;
    int32_t sums[ENGINE_DOT_SUMS];
    for (int32_t pair = first; pair < first + count; pair++, values += strides.pair) {
        struct pixels best = {0x80808080, 0x80808080};
        for (int32_t column = 0; column < layer->pool.width; column++) {
            engine_dot(weights, values + column * strides.column, shape, finish->panel->bias, sums);
            const struct pixels result = layer->quick ? finish_quickly(finish, sums) : finish_any(finish, sums);
            best.left = engine_larger_bytes(best.left, result.left);
            best.right = engine_larger_bytes(best.right, result.right);
        }
        best.left = engine_smaller_bytes(engine_larger_bytes(best.left, finish->minimum), finish->maximum);
        best.right = engine_smaller_bytes(engine_larger_bytes(best.right, finish->minimum), finish->maximum);
        store(output + pair * depth + channel, best.left, depth - channel, accumulate);
        if (pair + layer->pairs < layer->output.width) {
            store(output + (pair + layer->pairs) * depth + channel, best.right, depth - channel, accumulate);
        }
    }
}

// Copy together the patches of `count` pairs of pooled pixels from pair `first` on.
static void copy_patches(
    const struct engine_conv2d *layer, const uint32_t *rows, int32_t first, int32_t count, uint32_t *patches) {
    for (int32_t pair = first; pair < first + count; pair++) {
        for (int32_t column = 0; column < layer->pool.width; column++, patches += layer->run_steps * STEP_WORDS) {
            const int32_t left = pair * layer->pool.stride_width + column;
            engine_copy_patches(layer, rows, left, left + layer->pairs * layer->pool.stride_width, patches);
        }
    }
}

void engine_conv2d(
    const void *parameters, const struct engine_rows *input, int32_t step, int8_t *output, void *scratch) {
    const struct engine_conv2d *const layer = parameters;
    const struct engine_fused_pool *const pool = &layer->pool;
    const int32_t pool_row = step % pool->height;
    const int32_t y = step / pool->height * pool->stride_height + pool_row;
    const int32_t top = y * layer->window.stride_height - layer->window.padding_top;
    const int32_t patches_apart = layer->layout == ENGINE_PATCHES;
    const int32_t panel_steps = layer->runs * layer->run_steps;
    uint32_t *const panel_words = scratch;
    uint32_t *const rows = panel_words + (layer->wide ? 0 : panel_steps * ENGINE_CONV_CHANNELS);
    uint32_t *const patches = rows + (layer->window.height + 1) / 2 * layer->row_words;
    const int32_t column =
        patches_apart ? layer->run_steps * STEP_WORDS : layer->window.stride_width * layer->input.channels;
    const struct strides strides = {column * (patches_apart ? pool->width : pool->stride_width), column};
    const struct engine_dot shape = engine_dot_shape(layer->runs, layer->run_steps, layer->row_words * 4);
    if (patches_apart) {
        engine_pack_rows(layer, input, top, rows);
    } else {
        engine_widen_rows(layer, input, top, rows);
    }
    for (int32_t first = 0; first < layer->pairs; first += layer->chunk) {
        const int32_t count = engine_smaller(layer->chunk, layer->pairs - first);
        const uint32_t *values = rows + first * strides.pair;
        if (patches_apart) {
            copy_patches(layer, rows, first, count, patches);
            values = patches;
        }
        const struct engine_panel *panel = layer->panels;
        for (int32_t channel = 0; channel < layer->output.channels; channel += ENGINE_CONV_CHANNELS, panel++) {
            const int32_t start = channel * panel_steps; // in steps of one channel
            const uint32_t *weights = (const uint32_t *)layer->weights + start;
            if (!layer->wide) {
                widen_panel((const int8_t *)layer->weights + start * STEP_VALUES, panel_steps, panel_words);
                weights = panel_words;
            }
            const struct finish finish = make_finish(layer, panel);
            convolve(&finish, weights, values, &shape, strides, first, count, channel, pool_row, output);
        }
    }
}
