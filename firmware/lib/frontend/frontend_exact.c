// The power spectrum of a frame with some 47 bits of precision, for the few frames whose quietest band float32 cannot
// tell from the rounding of the loudest: a constant, pure tones, square waves. It takes some ten times as long as
// the float32 transform, and no more memory: it runs in place where that one has two buffers.
//
// A number is the sum of two floats, the lower one a few units in the last place of the higher one (Dekker, "A
// floating-point technique for extending the available precision", Numerische Mathematik 18, 1971; Knuth, "The Art of
// Computer Programming", volume 2, 4.2.2). The FFT decimates in time: the windowed samples are laid out in
// digit-reversed order, then every prime factor of n / 2 takes a pass over the one buffer.
#include "frontend_exact.h"

#include <math.h>
#include <string.h>

enum { LARGEST_FACTOR = 7, FACTORS_MAX = 16 };

struct number {
    float high, low;
};

struct complex {
    struct number re, im;
};

// The same number, with the lower part below the last place of the higher one.
static inline struct number normalised(struct number a) {
    const float sum = a.high + a.low;
    return (struct number){sum, a.low - (sum - a.high)};
}

static inline struct number add(struct number a, struct number b) {
    const float sum = a.high + b.high, part = sum - a.high;
    const float error = (a.high - (sum - part)) + (b.high - part);
    return (struct number){sum, error + (a.low + b.low)};
}

static inline struct number negative(struct number a) {
    return (struct number){-a.high, -a.low};
}

static inline struct number subtract(struct number a, struct number b) {
    const float sum = a.high - b.high, part = a.high - sum;
    const float error = (a.high - (sum + part)) - (b.high - part);
    return (struct number){sum, error + (a.low - b.low)};
}

static inline struct number multiply(struct number a, struct number b) {
    const float product = a.high * b.high;
    const float error = fmaf(a.high, b.high, -product);
    return (struct number){product, fmaf(a.low, b.high, fmaf(a.high, b.low, error))};
}

static inline struct complex add_complex(struct complex a, struct complex b) {
    return (struct complex){add(a.re, b.re), add(a.im, b.im)};
}

static inline struct complex subtract_complex(struct complex a, struct complex b) {
    return (struct complex){subtract(a.re, b.re), subtract(a.im, b.im)};
}

static struct complex multiply_complex(struct complex a, struct complex b) {
    return (struct complex){
        subtract(multiply(a.re, b.re), multiply(a.im, b.im)), add(multiply(a.re, b.im), multiply(a.im, b.re))};
}

// sum + a * b of a real b
static void accumulate(struct complex *sum, struct complex a, struct number b) {
    *sum = add_complex(*sum, (struct complex){multiply(a.re, b), multiply(a.im, b)});
}

// exp(-2 pi i k / n) of 0 <= k < n, from the quarter of a turn in the tables.
static struct complex root(const struct frontend_fft *fft, uint32_t k) {
    const uint32_t n = fft->n, half = n / 2;
    const bool below = k > half; // below the real axis
    k = below ? n - k : k;
    const bool left = k > n / 4; // left of the imaginary axis
    k = left ? half - k : k;
    struct complex value = {
        {fft->roots[2 * k], fft->roots_low[2 * k]}, {fft->roots[2 * k + 1], fft->roots_low[2 * k + 1]}};
    value.re = left ? negative(value.re) : value.re;
    value.im = below ? negative(value.im) : value.im;
    return value;
}

static float bin(const struct frontend_config *config, struct number re, struct number im) {
    const float real = re.high + re.low, imaginary = im.high + im.low;
    const float power = real * real + imaginary * imaginary;
    return config->power == 1 ? sqrtf(power) : power;
}

// Sample i of the n_fft under the window, zeros around it, times 2^32 in the units of frontend_window().
static int64_t windowed(const struct frontend_config *config, const struct frontend_frame *frame, int32_t i) {
    i -= (int32_t)frontend_window_offset(config);
    if (i < 0 || i >= config->win_length) {
        return 0;
    }
    const int32_t sample = frontend_frame_sample(config, frame, i);
    return (int64_t)config->window[i] * sample * 65536 + config->window_low[i] * sample;
}

// value / 2^32; its lowest 16 bits are dropped.
static struct number from_fixed(int64_t value) {
    const int32_t high = (int32_t)(value >> 40), low = (int32_t)((value >> 16) & 0xFFFFFF);
    return normalised((struct number){0x1p8f * (float)high, 0x1p-16f * (float)low});
}

// The prime factors of n / 2, the smallest first.
struct factors {
    uint8_t count;
    uint8_t prime[FACTORS_MAX];
};

static struct factors factors_of(uint32_t m) {
    struct factors factors = {0};
    for (; m > 1; m /= factors.prime[factors.count - 1]) {
        factors.prime[factors.count++] = (uint8_t)(m % 2 == 0 ? 2 : m % 3 == 0 ? 3 : m % 5 == 0 ? 5 : 7);
    }
    return factors;
}

// A counter whose digits are read in reverse: digit i counts to prime[i] and weighs m / (prime[0] ... prime[i]).
struct reversed {
    uint32_t value;
    uint8_t digit[FACTORS_MAX];
};

static void increment(struct reversed *counter, const struct factors *factors, uint32_t m) {
    uint32_t weight = m;
    for (uint32_t i = 0; i < factors->count; i++) {
        weight /= factors->prime[i];
        if (++counter->digit[i] < factors->prime[i]) {
            counter->value += weight;
            return;
        }
        counter->digit[i] = 0;
        counter->value -= weight * (factors->prime[i] - 1u);
    }
}

static void lay_out(const struct frontend_config *config, const struct frontend_frame *frame,
    const struct factors *factors, struct complex *data) {
    const uint32_t half = config->n_fft / 2u;
    struct reversed place = {0};
    int64_t previous = windowed(config, frame, config->n_fft - 1);
    for (uint32_t i = 0; i < half; i++) {
        const int64_t even = windowed(config, frame, (int32_t)(2 * i)),
                      odd = windowed(config, frame, (int32_t)(2 * i + 1));
        data[place.value] = (struct complex){from_fixed(even - previous + (previous >> FRONTEND_EMPHASIS_SHIFT)),
            from_fixed(odd - even + (even >> FRONTEND_EMPHASIS_SHIFT))};
        previous = odd;
        increment(&place, factors, half);
    }
}

// The DFT of `radix` points, a prime; roots[j] = exp(-2 pi i j / radix).
static void transform_points(struct complex x[], uint32_t radix, const struct complex roots[]) {
    if (radix == 2) {
        const struct complex sum = add_complex(x[0], x[1]);
        x[1] = subtract_complex(x[0], x[1]);
        x[0] = sum;
        return;
    }
    const uint32_t half = radix / 2;
    struct complex total = x[0], sum[LARGEST_FACTOR / 2 + 1], difference[LARGEST_FACTOR / 2 + 1];
    for (uint32_t j = 1; j <= half; j++) {
        sum[j] = add_complex(x[j], x[radix - j]);
        difference[j] = subtract_complex(x[j], x[radix - j]);
        total = add_complex(total, sum[j]);
    }
    for (uint32_t k = 1; k <= half; k++) {
        struct complex even = x[0], odd = {{0.0f, 0.0f}, {0.0f, 0.0f}};
        for (uint32_t j = 1, turn = k; j <= half; j++, turn = turn + k < radix ? turn + k : turn + k - radix) {
            accumulate(&even, sum[j], roots[turn].re);
            accumulate(&odd, difference[j], roots[turn].im);
        }
        const struct complex turned = {negative(odd.im), odd.re}; // i odd
        x[k] = add_complex(even, turned);
        x[radix - k] = subtract_complex(even, turned);
    }
    x[0] = total;
}

// One pass: `count / (radix * length)` groups of `radix` spectra of `length` bins become spectra of radix * length
// bins.
static void combine(
    const struct frontend_fft *fft, struct complex *data, uint32_t count, uint32_t radix, uint32_t length) {
    struct complex roots[LARGEST_FACTOR], twiddles[LARGEST_FACTOR], x[LARGEST_FACTOR];
    const uint32_t turn = fft->n / (radix * length);
    for (uint32_t j = 0; j < radix; j++) {
        roots[j] = root(fft, j * (fft->n / radix));
    }
    for (uint32_t i = 0; i < length; i++) {
        for (uint32_t j = 1; j < radix; j++) {
            twiddles[j] = root(fft, i * j * turn);
        }
        for (uint32_t group = i; group < count; group += radix * length) {
            x[0] = data[group];
            for (uint32_t j = 1; j < radix; j++) {
                const struct complex value = data[group + j * length];
                x[j] = i == 0 ? value : multiply_complex(value, twiddles[j]);
            }
            transform_points(x, radix, roots);
            for (uint32_t j = 0; j < radix; j++) {
                data[group + j * length] = (struct complex){normalised(x[j].re), normalised(x[j].im)};
            }
        }
    }
}

// The spectrum's magnitude or its square, as in split() of frontend_fft.c. Bin k lies in data[k] when both it and its
// mirror image have been read, and then moves down to bins[k]: `bins` is the same memory.
static void split(const struct frontend_config *config, struct complex *data, float *bins) {
    const uint32_t half = config->n_fft / 2u;
    const struct number scale = {0.5f, 0.0f};
    const struct number zero = {0.0f, 0.0f}, last = subtract(data[0].re, data[0].im);
    data[0].re.high = bin(config, add(data[0].re, data[0].im), zero);
    for (uint32_t k = 1; k <= half / 2; k++) {
        struct complex *low = &data[k], *high = &data[half - k];
        const struct complex even = {
            multiply(scale, add(low->re, high->re)), multiply(scale, subtract(low->im, high->im))};
        const struct complex odd = {
            multiply(scale, add(low->im, high->im)), multiply(scale, subtract(high->re, low->re))};
        const struct complex turned = multiply_complex(odd, root(config->fft, k));
        const struct complex sum = add_complex(even, turned), difference = subtract_complex(even, turned);
        low->re.high = bin(config, sum.re, sum.im);
        high->re.high = bin(config, difference.re, difference.im);
    }
    for (uint32_t k = 0; k < half; k++) {
        bins[k] = data[k].re.high;
    }
    bins[half] = bin(config, last, zero);
}

void frontend_exact_power(
    const struct frontend_config *config, const struct frontend_frame *frame, float *work, float *spectrum) {
    const uint32_t count = config->n_fft / 2u;
    const struct factors factors = factors_of(count);
    struct complex *data = (struct complex *)work;
    lay_out(config, frame, &factors, data);
    uint32_t length = 1;
    for (uint32_t i = factors.count; i-- > 0; length *= factors.prime[i]) { // the last digit comes first
        combine(config->fft, data, count, factors.prime[i], length);
    }
    split(config, data, work);
    memmove(spectrum, work, (count + 1) * sizeof *spectrum);
}
