// The steps of frontend_bench.c made of CMSIS-DSP's functions as its arm_mfcc_f32() chains them: window,
// arm_rfft_fast_f32, magnitude, one dot product a mel filter, arm_vlog_f32; then standardisation and arm_float_to_q7.
// All of CMSIS-DSP that this needs is in this one file: only its include directories must be given. PEER_FFT is its
// size, a power of two; the tables are peer_tables.c.
#ifndef __GNUC_PYTHON__
#define __GNUC_PYTHON__ // CMSIS-DSP's name for: a GCC target without CMSIS-Core
#endif
#include "BasicMathFunctions/arm_dot_prod_f32.c"
#include "BasicMathFunctions/arm_mult_f32.c"
#include "BasicMathFunctions/arm_offset_f32.c"
#include "BasicMathFunctions/arm_scale_f32.c"
#include "BasicMathFunctions/arm_sub_f32.c"
#include "CommonTables/arm_common_tables.c"
#include "CommonTables/arm_const_structs.c"
#include "ComplexMathFunctions/arm_cmplx_mag_f32.c"
#include "ComplexMathFunctions/arm_cmplx_mag_squared_f32.c"
#include "FastMathFunctions/arm_vlog_f32.c"
#include "SupportFunctions/arm_float_to_q7.c"
#include "SupportFunctions/arm_q15_to_float.c"
#include "TransformFunctions/arm_bitreversal2.c"
#include "TransformFunctions/arm_cfft_f32.c"
#include "TransformFunctions/arm_cfft_init_f32.c"
#include "TransformFunctions/arm_cfft_radix8_f32.c"
#include "TransformFunctions/arm_rfft_fast_f32.c"
#include "TransformFunctions/arm_rfft_fast_init_f32.c"

#include "frontend_bench.h"

#define BANDS 256

extern const float peer_window[], peer_weights[], peer_inverse_deviation[];

static arm_rfft_fast_instance_f32 plan;
static const struct frontend_config *config;
static const int16_t *samples;
static float signal[PEER_FFT], spectrum[PEER_FFT + 2], scaled[BANDS];
static q7_t features[BANDS];

float *const bench_peer_column = signal;

bool bench_peer_begin(const struct frontend_config *tables, const int16_t *pcm) {
    config = tables;
    samples = pcm;
    return tables->n_fft == PEER_FFT && tables->mels <= BANDS &&
           arm_rfft_fast_init_f32(&plan, PEER_FFT) == ARM_MATH_SUCCESS;
}

static void window(void) {
    float *const begin = signal + (PEER_FFT - config->win_length) / 2;
    memset(signal, 0, sizeof signal);
    arm_q15_to_float(samples, begin, config->win_length);
    arm_mult_f32(begin, peer_window, begin, config->win_length);
}

static void fft(void) {
    arm_rfft_fast_f32(&plan, signal, spectrum, 0);
}

static void power(void) {
    spectrum[PEER_FFT] = spectrum[1]; // the last bin is packed into the first
    spectrum[PEER_FFT + 1] = spectrum[1] = 0.0f;
    if (config->power == 1) {
        arm_cmplx_mag_f32(spectrum, signal, PEER_FFT / 2 + 1);
    } else {
        arm_cmplx_mag_squared_f32(spectrum, signal, PEER_FFT / 2 + 1);
    }
}

static void mel(void) {
    const float *weights = peer_weights;
    for (uint32_t m = 0; m < config->mels; m++) {
        arm_dot_prod_f32(signal + config->mel_first[m], weights, config->mel_count[m], &spectrum[m]);
        weights += config->mel_count[m];
    }
}

static void logarithm(void) {
    const float log2_e = 1.44269504f;
    arm_offset_f32(spectrum, config->log_floor, signal, config->mels); // it has no maximum with a constant
    arm_vlog_f32(signal, signal, config->mels);
    arm_scale_f32(signal, config->log_scale * log2_e, signal, config->mels);
}

static void quantise(void) {
    arm_sub_f32(signal, config->mean, scaled, config->mels);
    arm_mult_f32(scaled, peer_inverse_deviation, scaled, config->mels);
    arm_offset_f32(scaled, (float)config->input_zero_point / 128.0f, scaled, config->mels);
    arm_float_to_q7(scaled, features, config->mels);
}

bench_step *const bench_peer[BENCH_STEPS] = {window, fft, power, mel, NULL, logarithm, quantise, NULL};
