// Mixed-radix real FFT: n reals as n/2 complex numbers, a Stockham autosort FFT of those (no bit reversal; each pass
// reads one buffer and writes the other), then the split into the spectrum of the reals.
//
// A pass of radix r sees its input as [count][r][length] complex numbers and writes [r][count][length], with
// count * r * length = n / 2: it takes the r-point DFT along the middle axis and turns output j of column i by
// exp(-2 pi i j i / (r length)). The first pass has count 1, the last has length 1.
// Source: Swarztrauber, "FFT algorithms for vector computers", Parallel Computing 1, 1984.
#include "frontend_fft.h"

#include <stddef.h>

// Kernels are compiled into each loop that uses them, whatever the optimiser thinks of their size.
#define INLINE __attribute__((always_inline)) static inline

struct complex {
    float re, im;
};

INLINE struct complex load(const float *from) {
    return (struct complex){from[0], from[1]};
}

INLINE void store(float *to, struct complex value) {
    to[0] = value.re;
    to[1] = value.im;
}

INLINE struct complex add(struct complex a, struct complex b) {
    return (struct complex){a.re + b.re, a.im + b.im};
}

INLINE struct complex subtract(struct complex a, struct complex b) {
    return (struct complex){a.re - b.re, a.im - b.im};
}

INLINE struct complex multiply(struct complex a, struct complex b) {
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// a + scale * b
INLINE struct complex add_scaled(struct complex a, float scale, struct complex b) {
    return (struct complex){a.re + scale * b.re, a.im + scale * b.im};
}

INLINE struct complex scaled(float scale, struct complex a) {
    return (struct complex){scale * a.re, scale * a.im};
}

// a - i b and a + i b
INLINE struct complex add_minus_i(struct complex a, struct complex b) {
    return (struct complex){a.re + b.im, a.im - b.re};
}

INLINE struct complex add_plus_i(struct complex a, struct complex b) {
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

// 2 x 4 points: the odd ones are turned by the eighths of a circle.
INLINE void dft8(struct complex x[]) {
    const float sin45 = 0.707106781186547524f;
    struct complex even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
    dft4(even);
    dft4(odd);
    odd[1] = scaled(sin45, add_minus_i(odd[1], odd[1]));
    odd[3] = scaled(-sin45, add_plus_i(odd[3], odd[3]));
    x[0] = add(even[0], odd[0]);
    x[4] = subtract(even[0], odd[0]);
    x[1] = add(even[1], odd[1]);
    x[5] = subtract(even[1], odd[1]);
    x[2] = add_minus_i(even[2], odd[2]);
    x[6] = add_plus_i(even[2], odd[2]);
    x[3] = add(even[3], odd[3]);
    x[7] = subtract(even[3], odd[3]);
}

// Where a pass is: its buffers, and how far it has come in the tables.
struct pass {
    const float *in;
    float *out;
    const float *twiddles; // radix - 1 for each column
    uint32_t count;
    uint32_t length;
};

// Transforms `columns` columns: the inner loop of a pass. Inlined for every radix, so that the loops over j unroll and
// the values stay in registers.
INLINE void transform_columns(const float *in, uint32_t in_step, uint32_t in_advance, float *out, uint32_t out_step,
    const float *twiddle, uint32_t columns, const unsigned radix, void dft(struct complex x[])) {
    struct complex x[8];
    do {
        const float *from = in;
#pragma GCC unroll 8
        for (unsigned j = 0; j < radix; j++) {
            x[j] = load(from);
            from += in_step;
        }
        dft(x);
        float *to = out;
        store(to, x[0]);
#pragma GCC unroll 7
        for (unsigned j = 1; j < radix; j++) {
            to += out_step;
            store(to, twiddle != NULL ? multiply(x[j], load(twiddle + 2 * (j - 1))) : x[j]);
        }
        if (twiddle != NULL) {
            twiddle += 2 * (radix - 1);
        }
        in += in_advance;
        out += 2;
    } while (--columns > 0);
}

INLINE void transform(const struct pass *pass, const unsigned radix, void dft(struct complex x[])) {
    const uint32_t in_step = 2 * pass->length, out_step = in_step * pass->count;
    if (pass->length == 1) { // the last pass: no twiddles, a column is all of an input row
        transform_columns(pass->in, 2, 2 * radix, pass->out, out_step, NULL, pass->count, radix, dft);
        return;
    }
    for (uint32_t k = 0; k < pass->count; k++) {
        transform_columns(pass->in + k * radix * in_step, in_step, 2, pass->out + k * in_step, out_step, pass->twiddles,
            pass->length, radix, dft);
    }
}

// Each radix is a function of its own: in one, they would share its registers.
#define PASS(radix)                                                                                                    \
    __attribute__((noinline)) static void pass##radix(const struct pass *pass) {                                       \
        transform(pass, radix, dft##radix);                                                                            \
    }
PASS(2)
PASS(3)
PASS(4)
PASS(5)
PASS(6)
PASS(7)
PASS(8)

static void (*const PASSES[])(const struct pass *pass) = {
    [2] = pass2, [3] = pass3, [4] = pass4, [5] = pass5, [6] = pass6, [7] = pass7, [8] = pass8};

// The spectrum X of n reals from the spectrum Z of the n/2 complex numbers they make: with E and O the spectra of the
// even and odd samples, X[k] = E[k] + w^k O[k] and X[n/2-k] = conj(E[k] - w^k O[k]), where
// E[k] = (Z[k] + conj Z[n/2-k]) / 2 and O[k] = (Z[k] - conj Z[n/2-k]) / 2i. Works in place.
static void split(const struct frontend_fft *fft, const float *from, float *to) {
    const uint32_t half = fft->n / 2u;
    const struct complex first = load(from);
    store(to, (struct complex){first.re + first.im, first.re - first.im});
    for (uint32_t k = 1; k <= half / 2; k++) {
        const struct complex low = load(from + 2 * k), high = load(from + 2 * (half - k));
        const struct complex even = {0.5f * (low.re + high.re), 0.5f * (low.im - high.im)};
        const struct complex odd = {0.5f * (low.im + high.im), 0.5f * (high.re - low.re)};
        const struct complex turned = multiply(odd, load(fft->roots + 2 * k));
        store(to + 2 * k, add(even, turned));
        store(to + 2 * (half - k), (struct complex){even.re - turned.re, turned.im - even.im});
    }
}

void frontend_fft(const struct frontend_fft *fft, float *signal, float *spectrum) {
    struct pass pass = {signal, spectrum, fft->twiddles, 1, fft->n / 2u};
    for (unsigned p = 0; p < fft->passes; p++) {
        const unsigned radix = fft->radix[p];
        pass.length /= radix;
        PASSES[radix](&pass);
        pass.twiddles += pass.length > 1 ? 2 * (radix - 1) * pass.length : 0;
        pass.count *= radix;
        float *written = pass.out;
        pass.out = written == spectrum ? signal : spectrum;
        pass.in = written;
    }
    split(fft, pass.in, spectrum);
}
