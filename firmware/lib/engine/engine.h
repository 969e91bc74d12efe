// engine: INT8 kernels of neural networks, called by the C that `tinyscene compile` generates.
//
// Every kernel gives, byte for byte, what TensorFlow Lite's reference kernels give. A layer is a constant struct that
// the compiler filled in; a kernel reads it, an input and an output, and sometimes a scratch buffer whose size the
// compiler has reserved in the arena. No state from one inference to the next, no heap, no errors: all that could go
// wrong was refused at compile time.
//
// Activations are int8 in height x width x channels order, batch 1. Real value = scale * (q - zero_point).
// Portable C11 for little-endian machines with arithmetic right shift; on a Cortex-M4 or M7 the same sources use the
// DSP instructions through ACLE (engine_dsp.h), with the same results.
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Output channels that engine_conv2d computes at once. The compiler lays the weights out in panels of this width and
// checks the number in what it generates.
#define ENGINE_CONV_CHANNELS 4

// Values of a transformed tile of engine_winograd.
#define ENGINE_WINOGRAD_PLANES 16

// Limits of a group of streamed layers.
#define ENGINE_MAX_STAGES 16
#define ENGINE_MAX_TENSORS 24
#define ENGINE_MAX_SOURCES 2

// Most rows of a window that engine_quick_depthwise takes.
#define ENGINE_MAX_QUICK_HEIGHT 16

// Rows of an input column of engine_depthwise_3x3, and output rows that it computes at once: the compiler adds up its
// scratch memory by them.
#define ENGINE_COLUMN_ROWS 4
#define ENGINE_COLUMN_RESULTS 2

// A factor: multiplier * 2^(shift - 31), 0 <= multiplier < 2^31.
struct engine_factor {
    int32_t multiplier;
    int32_t shift;
};

// One output channel: bias in units of the accumulator, and the factor that brings the accumulator to the output.
struct engine_channel {
    int32_t bias;
    struct engine_factor factor;
};

// How results end: added to the zero point, clamped to the fused activation's range.
struct engine_output {
    int32_t zero_point;
    int32_t minimum;
    int32_t maximum;
};

// Height x width x channels.
struct engine_shape {
    int32_t height;
    int32_t width;
    int32_t channels;
};

// A window sliding over height and width; padding counts what lies above and to the left.
struct engine_window {
    int32_t height;
    int32_t width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t padding_top;
    int32_t padding_left;
};

// Rows of a tensor: row y lies at base + y % capacity * row_bytes. A whole tensor has its height as capacity, a ring
// fewer.
struct engine_rows {
    int8_t *base;
    int32_t height;
    int32_t capacity;
    int32_t row_bytes;
};

// A step of a layer that works row by row: it reads rows of its sources and writes one row of output. A layer with
// several steps for each row (a max-pool that takes one input row after the other) finishes row step / steps piece
// by piece. A layer that makes several rows at once writes them one after the other, from row step * rows on, where
// they lie together; the last step writes only those that exist. The layers of a group share their scratch, so nothing
// is kept in it from one step to the next; a layer with state is given that in place of scratch, and keeps it from its
// first step to its last.
typedef void engine_step(
    const void *layer, const struct engine_rows *sources, int32_t step, int8_t *output, void *scratch);

// What a step needs of a source: rows [0, per_row * row + per_step * (step % steps) + reach), clipped to the source's
// height, must be ready. `row` is the first row that the step writes.
struct engine_need {
    int32_t per_row;
    int32_t per_step;
    int32_t reach;
};

// A layer in a group: where its rows come from and go to, as indices of the group's tensors.
struct engine_stage {
    engine_step *function;
    const void *layer;
    int32_t target;
    int32_t steps; // steps that make a row; 1 if a step makes several rows
    int32_t rows;  // rows that a step makes; 1 if a row takes several steps
    int32_t state; // offset of its state in the group's scratch, in bytes; 0: it has none
    int32_t source_count;
    int32_t sources[ENGINE_MAX_SOURCES];
    struct engine_need needs[ENGINE_MAX_SOURCES];
};

// Layers that run together, in an order in which each comes after its sources. The last stage that finds the rows it
// needs takes the next step; the compiler has simulated that to learn how many rows each ring must hold.
struct engine_group {
    const struct engine_stage *stages;
    const struct engine_rows *tensors; // engine_run fills in where they lie
    int32_t stage_count;
    int32_t tensor_count;
    int32_t first_layer; // number of the first stage among the model's layers
};

// Where the time of an inference goes. NULL instead of a pointer to it: profiling is off.
struct engine_profile {
    uint32_t (*clock)(void); // wraps at 2^32
    uint32_t last;           // when the last layer ended
    uint32_t *ticks;         // [layers]: sums of each layer's time
};

// Adds the time since the last layer ended to that of this one.
static inline void engine_lap(struct engine_profile *profile, int32_t layer) {
    if (profile) {
        const uint32_t now = profile->clock();
        profile->ticks[layer] += now - profile->last;
        profile->last = now;
    }
}

// Run a group; bases[i] is where tensor i lies. Stages write only to their targets. `scratch` holds what they share,
// and their states.
void engine_run(
    const struct engine_group *group, const int8_t *const *bases, void *scratch, struct engine_profile *profile);

// A factor with shift -22..-1 made ready for engine_quick, together with the zero point.
struct engine_quick_factor {
    int32_t multiplier; // twice the factor's, minus 2^32; the value itself is added to the product instead
    int32_t offset;     // 2^(shift - 1) + zero point * 2^shift
    int32_t shift;      // to the right, 1..22
};

// The channels of a panel. If the layer is not quick, `factors` hold multiplier, 0 and shift of an engine_factor.
struct engine_panel {
    int32_t bias[ENGINE_CONV_CHANNELS];
    struct engine_quick_factor factors[ENGINE_CONV_CHANNELS];
};

// How a convolution's windows are made into stretches of 16-bit values.
enum engine_layout {
    ENGINE_ROWS,   // channels a multiple of 4, no dilation across: all windows of a row in one, pixel by pixel
    ENGINE_PATCHES // anything else: the window of each pixel is copied together
};

// A max-pool without padding whose windows do not overlap; 1, 1, 1, 1 for none.
struct engine_fused_pool {
    int32_t height;
    int32_t width;
    int32_t stride_height;
    int32_t stride_width;
};

// CONV_2D, and the max-pool after it; one step is one row of the convolution, or `rows` of them. Two pixels are
// computed at once: those of the output row's left half, each with the one `pairs` pixels to its right.
//
// Weights are panels of ENGINE_CONV_CHANNELS output channels (the last one filled up with zeros), of `steps` steps
// each. A step is two values for each channel, which are multiplied with two values of the window:
// - ENGINE_ROWS: for each kernel column, each kernel row, each quad of channels 0, 1, 2, 3: steps (0, 2) and (1, 3);
// - ENGINE_PATCHES: for two kernel rows at a time, value by value: step (upper, lower); for an odd last row steps of
//   neighbours, (0, 1), (2, 3), ..., or with dilation (value, 0).
// A step is eight int8: first values of channels 0 and 1, second values of both, the same for channels 2 and 3. Each
// panel is widened into scratch before it is used.
//
// Scratch: the widened panel; then ENGINE_ROWS: the window's height times row_words words, and a pixel;
// ENGINE_PATCHES: (height + 1) / 2 rows of row_words words, then the patches of `chunk` pairs of pooled pixels.
struct engine_conv2d {
    const int8_t *weights;
    const struct engine_panel *panels;
    struct engine_shape input;
    struct engine_shape output; // after the pool
    struct engine_window window;
    struct engine_fused_pool pool;
    enum engine_layout layout;
    int32_t steps; // steps of a panel
    int32_t rows;  // output rows that a step computes as if they were one; 1 unless the layout is ENGINE_ROWS, windows
                   // are 1x1 and move by one pixel, and there is no pool
    int32_t row_words; // words of a row in scratch
    int32_t pairs;     // pairs of pooled pixels in an output row
    int32_t chunk;     // pairs that are computed each time a panel is widened
    int32_t quick;     // whether all shifts are -22..-1
    int32_t input_zero_point;
    struct engine_output result;
};
engine_step engine_conv2d;

// CONV_2D of 3 x 3, stride 1, no dilation, input channels a multiple of 4, and quick factors, by Winograd's F(2 x 2, 3
// x 3): a step makes two rows, in tiles of 2 x 2, of which two that are side by side are computed at once. A tile's 4 x
// 4 inputs and the weights are transformed into ENGINE_WINOGRAD_PLANES values each, plane 4 * column + row; their
// products are summed over the input channels, and the sums transformed back. The weights are transformed with twice
// Winograd's matrix, which makes them whole numbers, so that what comes out is four times the sum (docs/ENGINE.md).
//
// Weights are panels of ENGINE_CONV_CHANNELS output channels (the last one filled up with zeros): for each plane, each
// quad of input channels 0, 1, 2, 3: steps (0, 2) and (1, 3), each int16 pairs, channel by channel.
//
// Scratch: the transformed input of `chunk` pairs of tiles, with chunk > 1 a copy of a panel, ENGINE_WINOGRAD_PLANES *
// 8 sums, 4 * chunk + 2 columns of 4 pixels as int16, and a pixel.
struct engine_winograd {
    const uint32_t *weights;
    const struct engine_panel *panels;
    struct engine_shape input;
    struct engine_shape output;
    int32_t padding_top;
    int32_t padding_left;
    int32_t chunk; // pairs of tiles whose input is transformed at once
    int32_t input_zero_point;
    struct engine_output result;
};
engine_step engine_winograd;

// DEPTHWISE_CONV_2D. Weights as in the file: kernel height x width x output channels; output channel = input channel *
// multiplier + 0..multiplier-1.
struct engine_depthwise {
    const int8_t *weights;
    const struct engine_channel *channels;
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t multiplier;
    int32_t input_zero_point;
    struct engine_output result;
};
engine_step engine_depthwise;

// DEPTHWISE_CONV_2D of multiplier 1, channels a multiple of ENGINE_CONV_CHANNELS, quick factors, and windows of at most
// ENGINE_MAX_QUICK_HEIGHT rows. Weights as in the file.
struct engine_quick_depthwise {
    const int8_t *weights;
    const struct engine_panel *panels;
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t input_zero_point;
    struct engine_output result;
};
engine_step engine_quick_depthwise;

// A channel of engine_depthwise_3x3: for each column of the window the weights of rows 0, 1, 1, 2. The input's zero
// point is already in the bias.
struct engine_depthwise_channel {
    int32_t bias;
    struct engine_quick_factor factor;
    int8_t weights[12];
};

// DEPTHWISE_CONV_2D of multiplier 1, windows of 3x3 without dilation that move across by 1 or 2 and leave the image by
// at most one column on each side, channels a multiple of ENGINE_CONV_CHANNELS, and quick factors. A step makes `rows`
// rows: 2, or 1 where the window moves down by more than 1.
//
// Scratch: the columns of a row (engine_columns.h), 32 bytes each; 8 bytes for each output column; an input row.
struct engine_depthwise_3x3 {
    const struct engine_depthwise_channel *channels;
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t rows;
    int32_t input_zero_point;
    struct engine_output result;
};
engine_step engine_depthwise_3x3;

// One output of FULLY_CONNECTED. Here TensorFlow Lite's reference multiplies in double precision and rounds once,
// halves away from zero. The engine does so only where an integer product with scale * 2^(31 - exponent), rounded down,
// leaves the result in doubt: that takes a few hundred instructions where doubles are emulated.
struct engine_dense_output {
    double scale;
    int32_t multiplier;
    int32_t fraction_bits; // fraction bits of the product's upper word, 4..30; 0: always multiplied as doubles
    int32_t bias;
};

// FULLY_CONNECTED. Weights are panels of ENGINE_CONV_CHANNELS outputs (the last one filled up with zeros): for each
// quad of the depth (the last one filled up too), each output's four weights. The input's zero point is already in the
// biases. Scratch: a row's values as int16, filled up to whole quads.
struct engine_dense {
    const int8_t *weights;
    const struct engine_dense_output *channels;
    int32_t rows;
    int32_t depth;
    int32_t outputs;
    struct engine_output result;
};
void engine_dense(const struct engine_dense *layer, const int8_t *input, int8_t *output, void *scratch);

// MAX_POOL_2D and AVERAGE_POOL_2D; windows are cut off at the border. Without padding the output may start where the
// input starts: each window is read before its result is written, and no later window lies below it.
struct engine_pool {
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t minimum;
    int32_t maximum;
};
engine_step engine_max_pool;
engine_step engine_average_pool;

// MAX_POOL_2D without padding whose windows do not overlap: window height steps for each row.
engine_step engine_max_pool_by_rows;

// AVERAGE_POOL_2D whose one window is the whole image: a step adds one row to the sums, the last one divides them.
// State: an int32 for each channel.
engine_step engine_average_pool_by_rows;

// MEAN over the middle axis of outer x count x inner; the factor includes 1/count.
struct engine_mean {
    int32_t outer;
    int32_t count;
    int32_t inner;
    int32_t input_zero_point;
    struct engine_factor factor;
    int32_t output_zero_point;
};
void engine_mean(const struct engine_mean *layer, const int8_t *input, int8_t *output);

// MEAN over height and width, row by row as engine_average_pool_by_rows: outer is 1, inner the channels. State: an
// int32 for each channel.
engine_step engine_mean_by_rows;

// How two operands of up to four dimensions meet: the output's sizes, and each operand's step in every dimension (0
// where it is broadcast). The output may be the same buffer as an operand that is not broadcast.
struct engine_broadcast {
    int32_t size[4];
    int32_t first_step[4];
    int32_t second_step[4];
};

// ADD: both operands are brought to a common scale with 20 more bits, and their sum to the output's scale.
struct engine_add {
    struct engine_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    struct engine_factor first_factor;
    struct engine_factor second_factor;
    struct engine_factor factor;
    struct engine_output result;
};
engine_step engine_add_row; // of equal shapes: shape.size[3] values
void engine_add(const struct engine_add *layer, const int8_t *first, const int8_t *second, int8_t *output);

// ADD of equal shapes, for `count` values of a row; the first operand is the one with the larger scale, so that its
// factor is 1/2, for which it gets one bit fewer. `second` has no zero point in its offset. The output may be the same
// buffer as an operand.
struct engine_quick_add {
    int32_t count;
    int32_t first_zero_point;
    int32_t second_zero_point;
    struct engine_quick_factor second;
    struct engine_quick_factor factor;
    struct engine_output result;
};
engine_step engine_quick_add;

// MUL.
struct engine_mul {
    struct engine_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    struct engine_factor factor;
    struct engine_output result;
};
engine_step engine_mul_row;
void engine_mul(const struct engine_mul *layer, const int8_t *first, const int8_t *second, int8_t *output);

// Any function of one int8 value (LOGISTIC, QUANTIZE between bytes, folded float operators): table[q + 128], for
// `count` values of a row. Output may be the same buffer as input. A uint8 is read as the int8 of the same byte.
struct engine_table {
    const int8_t *table;
    int32_t count;
};
engine_step engine_table;

// QUANTIZE of the model's float input, DEQUANTIZE to its float output, for `count` values of a row. Rounded half away
// from zero; what is too large for int8, infinities too, saturates, and NaN gives the zero point.
struct engine_quantisation {
    float scale;
    int32_t zero_point;
    int32_t count;
};
engine_step engine_quantise;
engine_step engine_dequantise;

// SOFTMAX over the last axis of rows x depth, depth <= 4096; table[d] of 256 = exp(-beta * scale * d) in Q0.31, 0 where
// TensorFlow Lite ignores it. The output may be the same buffer as the input.
struct engine_softmax {
    const int32_t *table;
    int32_t rows;
    int32_t depth;
};
void engine_softmax(const struct engine_softmax *layer, const int8_t *input, int8_t *output);

// PAD of up to four dimensions with one value.
struct engine_pad {
    int32_t input_size[4];
    int32_t output_size[4];
    int32_t before[4];
    int32_t value;
};
void engine_pad(const struct engine_pad *layer, const int8_t *input, int8_t *output);

// CONCATENATION: `outer` times a chunk of bytes from each input in turn.
struct engine_concatenate {
    const int32_t *chunks; // [inputs]: bytes of a chunk
    int32_t inputs;
    int32_t outer;
};
void engine_concatenate(const struct engine_concatenate *layer, const int8_t *const *inputs, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
