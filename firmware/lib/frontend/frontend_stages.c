// The steps of one frame after the FFT, and of a clip's end: see frontend_stages.h and frontend.h.
#include "frontend_stages.h"

#include <math.h>
#include <string.h>

float frontend_power(const struct frontend_config *config, float *spectrum) {
    const uint32_t half = config->n_fft / 2u;
    const float first = spectrum[0] * spectrum[0], last = spectrum[1] * spectrum[1]; // the two bins that are real
    float sum = first + last;
    spectrum[0] = first;
#pragma GCC unroll 4
    for (uint32_t k = 1; k < half; k++) {
        const float re = spectrum[2 * k], im = spectrum[2 * k + 1], power = re * re + im * im;
        spectrum[k] = power;
        sum += power;
    }
    spectrum[half] = last;
    if (config->power == 1) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k <= half; k++) {
            spectrum[k] = sqrtf(spectrum[k]);
        }
        sum = sqrtf(sum);
    }
    return sum;
}

void frontend_mel(const struct frontend_config *config, const float *bins, float scale, float *column) {
    const float *weights = config->mel_weights;
    for (uint32_t m = 0; m < config->mels; m++) {
        const float *const band = bins + config->mel_first[m];
        const uint32_t count = config->mel_count[m];
        float sum = 0.0f;
#pragma GCC unroll 4
        for (uint32_t i = 0; i < count; i++) {
            sum += band[i] * weights[i];
        }
        weights += count;
        column[m] = scale * sum;
    }
}

bool frontend_is_resolved(const struct frontend_config *config, const float *column, float level) {
    for (uint32_t m = 0; m < config->mels; m++) {
        if (column[m] < level * config->mel_resolution[m] && column[m] > config->mel_negligible) {
            return false;
        }
    }
    return true;
}

// log2 of a positive normal number; its error is the rounding of the result and 2e-9. With x = 2^e m and m between
// sqrt(1/2) and sqrt(2), log2 m = s P(s^2) of s = (m - 1) / (m + 1): an odd function, P a minimax polynomial.
static float log2_of(float x) {
    const uint32_t sqrt_half = 0x3F3504F3u;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = (int32_t)(bits - sqrt_half) >> 23;
    bits -= (uint32_t)exponent << 23;
    float m;
    memcpy(&m, &bits, sizeof m);
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    return (float)exponent + s * (2.88539008f + z * (0.961798847f + z * (0.576713830f + z * 0.431748316f)));
}

void frontend_log(const struct frontend_config *config, float *column) {
    for (uint32_t m = 0; m < config->mels; m++) {
        const float value = column[m] + config->log_offset;
        column[m] = config->log_scale * log2_of(value > config->log_floor ? value : config->log_floor);
    }
}

void frontend_finish_image(const struct frontend_config *config, float *image) {
    const size_t size = (size_t)config->mels * config->frames;
    if (config->top_db >= 0.0f) {
        float greatest = image[0];
        for (size_t i = 1; i < size; i++) {
            greatest = image[i] > greatest ? image[i] : greatest;
        }
        const float floor = greatest - config->top_db;
        for (size_t i = 0; i < size; i++) {
            image[i] = image[i] > floor ? image[i] : floor;
        }
    }
    if (config->peak_normalise) {
        float peak = 0.0f;
        for (size_t i = 0; i < size; i++) {
            peak = fabsf(image[i]) > peak ? fabsf(image[i]) : peak;
        }
        for (size_t i = 0; peak > 0.0f && i < size; i++) {
            image[i] /= peak;
        }
    }
}

int8_t frontend_quantise(const struct frontend_config *config, size_t mel, float feature) {
    const float scaled = (feature - config->mean[mel]) / config->deviation[mel] / config->input_scale;
    if (scaled >= 256.0f) { // also far out of int8_t's range with any zero point
        return INT8_MAX;
    }
    if (scaled <= -256.0f) {
        return INT8_MIN;
    }
    const int32_t rounded = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f)); // truncation: half away from zero
    const int32_t value = rounded + config->input_zero_point;
    return (int8_t)(value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value);
}

void frontend_quantise_column(
    const struct frontend_config *config, const float *column, int8_t *features, size_t stride) {
    for (size_t m = 0; m < config->mels; m++) {
        features[m * stride] = frontend_quantise(config, m, column[m]);
    }
}
