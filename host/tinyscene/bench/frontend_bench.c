// Test image: counts the instructions of each step of one frame on the emulated board (bench/frontend.py), for our
// front end and, where PEER_FFT names a size, for the same steps made of CMSIS-DSP's functions
// (frontend_bench_cmsis.c). frame.bin holds the samples; counts.bin gets one number a step, columns.bin the log-mel
// column of each.
#include "frontend_bench.h"

#include <string.h>

#include "frontend_exact.h"
#include "frontend_stages.h"
#include "frontend_tables.h"
#include "mps2.h"
#include "semihost.h"

static int16_t pcm[BENCH_SAMPLES];
static float work[2 * BENCH_FLOATS], *const signal = work, *const spectrum = work + FRONTEND_N_FFT;
static int8_t features[FRONTEND_MELS];
static uint32_t counts[2 * BENCH_STEPS];
static float columns[2][FRONTEND_MELS];

static const struct frontend_frame frame = {.samples = pcm, .beyond = FRONTEND_WIN_LENGTH};

static float level, scale;

static void nothing(void) {
}

static void window(void) {
    scale = 1.0f / (float)(1u << frontend_window(&frontend_tables, &frame, signal) * frontend_tables.power);
}

static void fft(void) {
    frontend_fft(frontend_tables.fft, signal, spectrum);
}

static void power(void) {
    level = frontend_power(&frontend_tables, spectrum);
}

static void mel(void) {
    frontend_mel(&frontend_tables, spectrum, scale, signal);
}

static void resolution(void) {
    (void)frontend_is_resolved(&frontend_tables, signal, scale * level);
}

static void logarithm(void) {
    frontend_log(&frontend_tables, signal);
}

static void quantise(void) {
    memcpy(columns[0], signal, sizeof columns[0]);
    frontend_quantise_column(&frontend_tables, signal, features, 1);
}

static void exact(void) {
    frontend_exact_power(&frontend_tables, &frame, work, spectrum);
}

// In the order of STEPS in bench/frontend.py.
static bench_step *const ours[BENCH_STEPS] = {window, fft, power, mel, resolution, logarithm, quantise, exact};

static uint32_t instructions(bench_step *step) {
    const uint32_t begin = timer0_ticks();
    step();
    return timer0_instructions(timer0_ticks() - begin);
}

static void run(bench_step *const steps[], uint32_t *count) {
    for (size_t i = 0; i < BENCH_STEPS; i++) {
        const uint32_t overhead = instructions(nothing);
        count[i] = steps[i] == NULL ? 0 : instructions(steps[i]) - overhead;
    }
}

static bool write_file(const char *name, const void *content, size_t size) {
    const int32_t file = semihost_open(name, SEMIHOST_WRITE);
    const bool written = file >= 0 && semihost_write(file, content, size) == size;
    semihost_close(file);
    return written;
}

int main(void) {
    const int32_t file = semihost_open("frame.bin", SEMIHOST_READ);
    if (file < 0 || semihost_read(file, pcm, sizeof pcm) != sizeof pcm) {
        return 1;
    }
    timer0_start();
    run(ours, counts);
#ifdef PEER_FFT
    if (!bench_peer_begin(&frontend_tables, pcm)) {
        return 2;
    }
    run(bench_peer, counts + BENCH_STEPS);
    memcpy(columns[1], bench_peer_column, sizeof columns[1]);
#endif
    return write_file("counts.bin", counts, sizeof counts) && write_file("columns.bin", columns, sizeof columns) ? 0
                                                                                                                 : 3;
}
