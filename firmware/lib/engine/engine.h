// engine: INT8 kernels of neural networks, called by the C that `tinyscene compile` generates.
//
// Every kernel gives, byte for byte, what TensorFlow Lite's reference kernels give. A layer is a constant struct that
// the compiler filled in; a kernel reads it, an input and an output, and sometimes a scratch buffer whose size the
// compiler has reserved in the arena. No state, no heap, no errors: all that could go wrong was refused at compile
// time.
//
// Activations are int8 in height x width x channels order, batch 1. Real value = scale * (q - zero_point).
// Portable C11 for little-endian machines with arithmetic right shift; on a Cortex-M4 or M7 the same sources use the
// DSP instructions through ACLE (engine_dsp.h), with the same results.
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

// Output channels that engine_conv2d computes at once, and values along a kernel row that it takes at once. The
// compiler lays the weights out in panels of this shape and checks the two numbers in what it generates.
#define ENGINE_CONV_CHANNELS 2
#define ENGINE_CONV_VALUES 4

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

// CONV_2D. Weights are panels, one for ENGINE_CONV_CHANNELS output channels (the last one filled up with zeros): for
// each run, for each quad of ENGINE_CONV_VALUES values, for each channel: that channel's four weights in the order
// 0, 2, 1, 3. A run is a stretch of the window that lies contiguously in memory, its last quad filled up with zeros:
// - patch_values = 0: each kernel row (without dilation) or each pixel of it (with dilation) is a run of a ring row;
// - patch_values > 0: the window of each pixel is first gathered into one run of that many int16, padding included.
// There is one element of `channels` for every channel of every panel.
//
// Scratch: ring_rows input rows of row_values int16 each (int8 minus the zero point, padding as zeros), in which every
// input row is widened once; ENGINE_CONV_VALUES int16 more; two patches. The output may start where the input starts if
// no output row reaches an input row that is not in the ring yet; the compiler checks that.
struct engine_conv2d {
    const int8_t *weights;
    const struct engine_channel *channels;
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t panel_bytes;
    int32_t patch_values;
    int32_t runs;       // in a kernel row, or 1
    int32_t run_quads;  // in a run
    int32_t run_step;   // int16 values from a kernel column to the next, if dilated or gathered
    int32_t ring_rows;  // (kernel height - 1) * dilation + 1
    int32_t row_values; // of a padded row, even
    int32_t input_zero_point;
    struct engine_output result;
};
void engine_conv2d(const struct engine_conv2d *layer, const int8_t *input, int8_t *output, void *scratch);

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
void engine_depthwise(const struct engine_depthwise *layer, const int8_t *input, int8_t *output);

// One output of FULLY_CONNECTED. Here TensorFlow Lite's reference multiplies in double precision and rounds once,
// halves away from zero; so does the engine, a few hundred instructions for each output where doubles are emulated.
struct engine_dense_output {
    double scale;
    int32_t bias;
};

// FULLY_CONNECTED. Weights as in the file: outputs x depth; the input's zero point is already in the biases.
struct engine_dense {
    const int8_t *weights;
    const struct engine_dense_output *channels;
    int32_t rows;
    int32_t depth;
    int32_t outputs;
    struct engine_output result;
};
void engine_dense(const struct engine_dense *layer, const int8_t *input, int8_t *output);

// MAX_POOL_2D and AVERAGE_POOL_2D; windows are cut off at the border. Without padding the output may start where the
// input starts: each window is read before its result is written, and no later window lies below it.
struct engine_pool {
    struct engine_shape input;
    struct engine_shape output;
    struct engine_window window;
    int32_t minimum;
    int32_t maximum;
};
void engine_max_pool(const struct engine_pool *layer, const int8_t *input, int8_t *output);
void engine_average_pool(const struct engine_pool *layer, const int8_t *input, int8_t *output);

// MEAN over the middle axis of outer x count x inner; the factor has 1/count in it.
struct engine_mean {
    int32_t outer;
    int32_t count;
    int32_t inner;
    int32_t input_zero_point;
    struct engine_factor factor;
    int32_t output_zero_point;
};
void engine_mean(const struct engine_mean *layer, const int8_t *input, int8_t *output);

// How two operands of up to four dimensions meet: the output's sizes, and each operand's step in every dimension (0
// where it is broadcast). The output may be the same buffer as an operand that is not broadcast.
struct engine_broadcast {
    int32_t size[4];
    int32_t first_step[4];
    int32_t second_step[4];
};

// ADD: both operands are brought to a common scale with 20 more bits, added, brought to the output.
struct engine_add {
    struct engine_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    struct engine_factor first_factor;
    struct engine_factor second_factor;
    struct engine_factor factor;
    struct engine_output result;
};
void engine_add(const struct engine_add *layer, const int8_t *first, const int8_t *second, int8_t *output);

// MUL.
struct engine_mul {
    struct engine_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    struct engine_factor factor;
    struct engine_output result;
};
void engine_mul(const struct engine_mul *layer, const int8_t *first, const int8_t *second, int8_t *output);

// Any function of one int8 value (LOGISTIC, QUANTIZE): table[q + 128]. Output may be the same buffer as input.
struct engine_table {
    const int8_t *table;
    int32_t count;
};
void engine_table(const struct engine_table *layer, const int8_t *input, int8_t *output);

// SOFTMAX over the last axis of rows x depth, depth <= 4096; table[d] of 256 = exp(-beta * scale * d) in Q0.31, 0 where
// it is ignored. The output may be the same buffer as the input.
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

// CONCATENATION: `outer` times, from each input its chunk of bytes in turn.
struct engine_concatenate {
    const int32_t *chunks; // bytes, one for each input
    int32_t inputs;
    int32_t outer;
};
void engine_concatenate(const struct engine_concatenate *layer, const int8_t *const *inputs, int8_t *output);

#endif
