// Mixed-radix real FFT: n reals as n/2 complex numbers, a Stockham autosort FFT of those (no bit reversal; each pass
// reads one buffer and writes the other), then the split into the spectrum of the reals.
//
// A pass of radix r sees its input as [count][r][length] complex numbers and writes [r][count][length], with
// count * r * length = n / 2: it takes the r-point DFT along the middle axis and turns output j of column i by
// exp(-2 pi i j i / (r length)). The first pass has count 1, the last has length 1.
// Source: Swarztrauber, "FFT algorithms for vector computers", Parallel Computing 1, 1984.
#include "frontend_fft.h"

#include <stdbool.h>

// Kernels are compiled into each loop that uses them, whatever the optimiser thinks of their size.
#define INLINE __attribute__((always_inline)) static inline

struct complex {
    float re, im;
};

static inline struct complex load(const float *from) {
    return (struct complex){from[0], from[1]};
}

static inline void store(float *to, struct complex value) {
    to[0] = value.re;
    to[1] = value.im;
}

static inline struct complex add(struct complex a, struct complex b) {
    return (struct complex){a.re + b.re, a.im + b.im};
}

static inline struct complex subtract(struct complex a, struct complex b) {
    return (struct complex){a.re - b.re, a.im - b.im};
}

static inline struct complex multiply(struct complex a, struct complex b) {
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// a + scale * b
static inline struct complex add_scaled(struct complex a, float scale, struct complex b) {
    return (struct complex){a.re + scale * b.re, a.im + scale * b.im};
}

static inline struct complex scaled(float scale, struct complex a) {
    return (struct complex){scale * a.re, scale * a.im};
}

// a - i b and a + i b
static inline struct complex add_minus_i(struct complex a, struct complex b) {
    return (struct complex){a.re + b.im, a.im - b.re};
}

static inline struct complex add_plus_i(struct complex a, struct complex b) {
    return (struct complex){a.re - b.im, a.im + b.re};
}

// DFTs of r points, in place. The odd ones use X[j], X[r-j] = even part -/+ i odd part.

INLINE void dft2(struct complex x[]) {
    const struct complex sum = add(x[0], x[1]);
    x[1] = subtract(x[0], x[1]);
    x[0] = sum;
}

INLINE void dft3(struct complex x[]) {
    const float sin60 = 0.866025403784438647f;
    const struct complex sum = add(x[1], x[2]);
    const struct complex odd = scaled(sin60, subtract(x[1], x[2]));
    const struct complex even = add_scaled(x[0], -0.5f, sum);
    x[0] = add(x[0], sum);
    x[1] = add_minus_i(even, odd);
    x[2] = add_plus_i(even, odd);
}

INLINE void dft4(struct complex x[]) {
    const struct complex sum02 = add(x[0], x[2]), difference02 = subtract(x[0], x[2]);
    const struct complex sum13 = add(x[1], x[3]), difference13 = subtract(x[1], x[3]);
    x[0] = add(sum02, sum13);
    x[1] = add_minus_i(difference02, difference13);
    x[2] = subtract(sum02, sum13);
    x[3] = add_plus_i(difference02, difference13);
}

INLINE void dft5(struct complex x[]) {
    const float cos1 = 0.309016994374947424f, cos2 = -0.809016994374947424f;
    const float sin1 = 0.951056516295153572f, sin2 = 0.587785252292473129f;
    const struct complex sum1 = add(x[1], x[4]), difference1 = subtract(x[1], x[4]);
    const struct complex sum2 = add(x[2], x[3]), difference2 = subtract(x[2], x[3]);
    const struct complex even1 = add_scaled(add_scaled(x[0], cos1, sum1), cos2, sum2);
    const struct complex even2 = add_scaled(add_scaled(x[0], cos2, sum1), cos1, sum2);
    const struct complex odd1 = add_scaled(scaled(sin1, difference1), sin2, difference2);
    const struct complex odd2 = add_scaled(scaled(sin2, difference1), -sin1, difference2);
    x[0] = add(x[0], add(sum1, sum2));
    x[1] = add_minus_i(even1, odd1);
    x[4] = add_plus_i(even1, odd1);
    x[2] = add_minus_i(even2, odd2);
    x[3] = add_plus_i(even2, odd2);
}

// 2 x 3 points without twiddles (Good, "The interaction algorithm and practical Fourier analysis", 1958).
INLINE void dft6(struct complex x[]) {
    struct complex even[3] = {x[0], x[2], x[4]}, odd[3] = {x[3], x[5], x[1]};
    dft3(even);
    dft3(odd);
    x[0] = add(even[0], odd[0]);
    x[3] = subtract(even[0], odd[0]);
    x[4] = add(even[1], odd[1]);
    x[1] = subtract(even[1], odd[1]);
    x[2] = add(even[2], odd[2]);
    x[5] = subtract(even[2], odd[2]);
}

INLINE void dft7(struct complex x[]) {
    const float cos1 = 0.623489801858733531f, cos2 = -0.222520933956314404f, cos3 = -0.900968867902419126f;
    const float sin1 = 0.781831482468029809f, sin2 = 0.974927912181823607f, sin3 = 0.433883739117558120f;
    const struct complex sum1 = add(x[1], x[6]), difference1 = subtract(x[1], x[6]);
    const struct complex sum2 = add(x[2], x[5]), difference2 = subtract(x[2], x[5]);
    const struct complex sum3 = add(x[3], x[4]), difference3 = subtract(x[3], x[4]);
    const struct complex even1 = add_scaled(add_scaled(add_scaled(x[0], cos1, sum1), cos2, sum2), cos3, sum3);
    const struct complex even2 = add_scaled(add_scaled(add_scaled(x[0], cos2, sum1), cos3, sum2), cos1, sum3);
    const struct complex even3 = add_scaled(add_scaled(add_scaled(x[0], cos3, sum1), cos1, sum2), cos2, sum3);
    const struct complex odd1 = add_scaled(add_scaled(scaled(sin1, difference1), sin2, difference2), sin3, difference3);
    const struct complex odd2 =
        add_scaled(add_scaled(scaled(sin2, difference1), -sin3, difference2), -sin1, difference3);
    const struct complex odd3 =
        add_scaled(add_scaled(scaled(sin3, difference1), -sin1, difference2), sin2, difference3);
    x[0] = add(add(x[0], sum1), add(sum2, sum3));
    x[1] = add_minus_i(even1, odd1);
    x[6] = add_plus_i(even1, odd1);
    x[2] = add_minus_i(even2, odd2);
    x[5] = add_plus_i(even2, odd2);
    x[3] = add_minus_i(even3, odd3);
    x[4] = add_plus_i(even3, odd3);
}

// Where a pass is: its buffers, and how far it has come in the tables.
struct pass {
    const float *in;
    float *out;
    const float *twiddles; // radix - 1 for each column but the first
    uint32_t count;
    uint32_t length;
};

// Transforms `columns` columns, the first of them untwiddled: the inner loop of a pass. Inlined for every radix, so
// that the loops over j unroll and the values stay in registers.
INLINE void transform_columns(const struct pass *pass, uint32_t k, uint32_t columns, uint32_t in_advance,
    const unsigned radix, void dft(struct complex x[])) {
    const uint32_t in_step = 2 * pass->length, out_step = in_step * pass->count;
    const float *in = pass->in + k * radix * in_step, *twiddle = pass->twiddles;
    float *out = pass->out + k * in_step;
    bool twiddled = false;
    struct complex x[7];
    for (uint32_t i = 0; i < columns; ++i) {
        const float *from = in;
#pragma GCC unroll 7
        for (unsigned j = 0; j < radix; ++j) {
            x[j] = load(from);
            from += in_step;
        }
        dft(x);
        float *to = out;
        store(to, x[0]);
#pragma GCC unroll 6
        for (unsigned j = 1; j < radix; ++j) {
            to += out_step;
            if (twiddled) {
                x[j] = multiply(x[j], load(twiddle));
                twiddle += 2;
            }
            store(to, x[j]);
        }
        twiddled = pass->length > 1;
        in += in_advance;
        out += 2;
    }
}

INLINE void transform(const struct pass *pass, const unsigned radix, void dft(struct complex x[])) {
    if (pass->length == 1) {
        transform_columns(pass, 0, pass->count, 2 * radix, radix, dft);
    } else {
        for (uint32_t k = 0; k < pass->count; ++k) {
            transform_columns(pass, k, pass->length, 2, radix, dft);
        }
    }
}

// The spectrum X of n reals from the spectrum Z of the n/2 complex numbers they make: with E and O the spectra of the
// even and odd samples, X[k] = E[k] + w^k O[k] and X[n/2-k] = conj(E[k] - w^k O[k]), where
// E[k] = (Z[k] + conj Z[n/2-k]) / 2 and O[k] = (Z[k] - conj Z[n/2-k]) / 2i. Works in place.
static void split(const struct frontend_fft *fft, const float *from, float *to) {
    const uint32_t half = fft->n / 2u;
    const struct complex first = load(from);
    store(to, (struct complex){first.re + first.im, first.re - first.im});
    for (uint32_t k = 1; k <= half / 2; ++k) {
        const struct complex low = load(from + 2 * k), high = load(from + 2 * (half - k));
        const struct complex even = {0.5f * (low.re + high.re), 0.5f * (low.im - high.im)};
        const struct complex odd = {0.5f * (low.im + high.im), 0.5f * (high.re - low.re)};
        const struct complex turned = multiply(odd, load(fft->split + 2 * k));
        store(to + 2 * k, add(even, turned));
        store(to + 2 * (half - k), (struct complex){even.re - turned.re, turned.im - even.im});
    }
}

void frontend_fft_mixed(const struct frontend_fft *fft, float *signal, float *spectrum) {
    struct pass pass = {signal, spectrum, fft->twiddles, 1, fft->n / 2u};
    for (unsigned p = 0; p < fft->passes; ++p) {
        const unsigned radix = fft->radix[p];
        pass.length /= radix;
        switch (radix) {
        case 2:
            transform(&pass, 2, dft2);
            break;
        case 3:
            transform(&pass, 3, dft3);
            break;
        case 4:
            transform(&pass, 4, dft4);
            break;
        case 5:
            transform(&pass, 5, dft5);
            break;
        case 6:
            transform(&pass, 6, dft6);
            break;
        default:
            transform(&pass, 7, dft7);
            break;
        }
        pass.twiddles += 2 * (radix - 1) * (pass.length - 1);
        pass.count *= radix;
        float *written = pass.out;
        pass.out = written == spectrum ? signal : spectrum;
        pass.in = written;
    }
    split(fft, pass.in, spectrum);
}
