// Depthwise 3x3 windows in Cortex-M4 assembler that keeps a channel's weights in registers, and in portable C with the
// same results.
#include "engine_columns.h"

#include "engine_dsp.h"
#include "engine_requantise.h"

enum { TAPS_ACROSS = 3, RESULT_BYTES = ENGINE_COLUMN_RESULTS * ENGINE_CONV_CHANNELS };

void engine_pair_columns(
    const int8_t *const rows[ENGINE_COLUMN_ROWS], int32_t depth, int32_t count, uint32_t *columns) {
    const int8_t *const first = rows[0], *const second = rows[1], *const third = rows[2], *const fourth = rows[3];
    const int32_t end = count * depth;
    for (int32_t i = 0; i < end; i += depth, columns += ENGINE_COLUMN_WORDS) {
        // two rows of two channels are packed into a word, and then widened
        const uint32_t a = engine_load(first + i), b = engine_load(second + i);
        const uint32_t c = engine_load(third + i), d = engine_load(fourth + i);
        const uint32_t ab = engine_lower_halves(a, b), cd = engine_lower_halves(c, d);
        const uint32_t next_ab = engine_upper_halves(a, b), next_cd = engine_upper_halves(c, d);
        columns[0] = engine_even_bytes(ab);
        columns[1] = engine_even_bytes(cd);
        columns[2] = engine_odd_bytes(ab);
        columns[3] = engine_odd_bytes(cd);
        columns[4] = engine_even_bytes(next_ab);
        columns[5] = engine_even_bytes(next_cd);
        columns[6] = engine_odd_bytes(next_ab);
        columns[7] = engine_odd_bytes(next_cd);
    }
}

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// A column: rows 0 and 1 in r10, 2 and 3 in r11; `upper` has weights 0 and 1 of the column, `lower` 1 and 2.
#define ADD_ROWS(upper, lower, first_sum, second_sum)                                                                  \
    "smlad r12, r10, " upper ", " first_sum "\n"                                                                       \
    "smlatb lr, r10, " upper ", " second_sum "\n"                                                                      \
    "smlabt r12, r11, " lower ", r12\n"                                                                                \
    "smlad lr, r11, " lower ", lr\n"

// Two results in 30 instructions, where compiled C takes 45. All registers are in use: r0 bias, r1 columns, r2 results,
// r3 the shift (ASR reads the lowest byte alone) and above it the windows left, r4-r9 weights, r10 and r11 a column,
// r12 and lr sums. On the stack: [sp] multiplier and offset, [sp, 8] the channels left; of the next channel [sp, 16]
// the columns, [sp, 20] the parameters, [sp, 28] the results; [sp, 24] windows.
#define CONVOLVE(advance)                                                                                              \
    __asm volatile("push {r0-r11, lr}\n"                                                                               \
                   "sub sp, #16\n"                                                                                     \
                   "sub r2, #1\n"                                                                                      \
                   "lsl r2, #8\n"                                                                                      \
                   "str r2, [sp, #24]\n"                                                                               \
                   "mov r12, #4\n"                                                                                     \
                   "1:\n"                                                                                              \
                   "str r12, [sp, #8]\n"                                                                               \
                   "ldr r10, [sp, #20]\n"                                                                              \
                   "ldm r10!, {r0-r4, r6, r8}\n"                                                                       \
                   "str r10, [sp, #20]\n"                                                                              \
                   "strd r1, r2, [sp]\n"                                                                               \
                   "sxtb16 r5, r4, ror #8\n"                                                                           \
                   "sxtb16 r4, r4\n"                                                                                   \
                   "sxtb16 r7, r6, ror #8\n"                                                                           \
                   "sxtb16 r6, r6\n"                                                                                   \
                   "sxtb16 r9, r8, ror #8\n"                                                                           \
                   "sxtb16 r8, r8\n"                                                                                   \
                   "ldr r1, [sp, #16]\n"                                                                               \
                   "add r10, r1, #8\n"                                                                                 \
                   "str r10, [sp, #16]\n"                                                                              \
                   "ldrd r11, r2, [sp, #24]\n"                                                                         \
                   "add r10, r2, #1\n"                                                                                 \
                   "str r10, [sp, #28]\n"                                                                              \
                   "orr r3, r11\n"                                                                                     \
                   "2:\n"                                                                                              \
                   "ldrd r10, r11, [r1], #" #advance                                                                   \
                   "\n" ADD_ROWS("r4", "r5", "r0", "r0") "ldrd r10, r11, [r1, #32 - " #advance "]\n" ADD_ROWS(         \
                       "r6", "r7", "r12", "lr") "ldrd r10, r11, [r1, #64 - " #advance "]\n" ADD_ROWS("r8", "r9",       \
                       "r12", "lr") "ldrd r10, r11, [sp]\n"                                                            \
                                    "smmlar r12, r12, r10, r12\n" /* engine_quick of both */                           \
                                    "smmlar lr, lr, r10, lr\n"                                                         \
                                    "add r12, r12, r12, asr #31\n"                                                     \
                                    "add lr, lr, lr, asr #31\n"                                                        \
                                    "qadd r12, r12, r11\n"                                                             \
                                    "qadd lr, lr, r11\n"                                                               \
                                    "asr r12, r12, r3\n"                                                               \
                                    "asr lr, lr, r3\n"                                                                 \
                                    "ssat r12, #8, r12\n"                                                              \
                                    "ssat lr, #8, lr\n"                                                                \
                                    "strb lr, [r2, #4]\n"                                                              \
                                    "strb r12, [r2], #8\n"                                                             \
                                    "subs r3, #256\n"                                                                  \
                                    "bpl 2b\n"                                                                         \
                                    "ldr r12, [sp, #8]\n"                                                              \
                                    "subs r12, #1\n"                                                                   \
                                    "bne 1b\n"                                                                         \
                                    "add sp, #32\n"                                                                    \
                                    "pop {r4-r11, pc}\n")

__attribute__((naked, noinline)) void engine_convolve_each_column(
    const uint32_t *columns, const struct engine_depthwise_channel *channels, int32_t count, int8_t *results) {
    CONVOLVE(32);
}

__attribute__((naked, noinline)) void engine_convolve_every_other_column(
    const uint32_t *columns, const struct engine_depthwise_channel *channels, int32_t count, int8_t *results) {
    CONVOLVE(64);
}

#else

// A channel's windows; the next one starts `advance` words after the one before.
static void convolve(const uint32_t *columns, const struct engine_depthwise_channel *channel, int32_t count,
    int32_t advance, int8_t *results) {
    for (; count > 0; count--, columns += advance, results += RESULT_BYTES) {
        int32_t upper = channel->bias, lower = channel->bias;
        for (int32_t x = 0; x < TAPS_ACROSS; x++) {
            const uint32_t a = columns[x * ENGINE_COLUMN_WORDS], b = columns[x * ENGINE_COLUMN_WORDS + 1];
            const uint32_t taps = engine_load(channel->weights + 4 * x);
            const uint32_t upper_taps = engine_even_bytes(taps), lower_taps = engine_odd_bytes(taps);
            upper = engine_low_product(b, lower_taps >> 16, engine_pair_product(a, upper_taps, upper));
            lower = engine_pair_product(b, lower_taps, engine_low_product(a >> 16, upper_taps, lower));
        }
        results[0] = (int8_t)engine_quick(upper, channel->factor);
        results[ENGINE_CONV_CHANNELS] = (int8_t)engine_quick(lower, channel->factor);
    }
}

void engine_convolve_each_column(
    const uint32_t *columns, const struct engine_depthwise_channel *channels, int32_t count, int8_t *results) {
    for (int32_t i = 0; i < ENGINE_CONV_CHANNELS; i++) {
        convolve(columns + 2 * i, &channels[i], count, ENGINE_COLUMN_WORDS, results + i);
    }
}

void engine_convolve_every_other_column(
    const uint32_t *columns, const struct engine_depthwise_channel *channels, int32_t count, int8_t *results) {
    for (int32_t i = 0; i < ENGINE_CONV_CHANNELS; i++) {
        convolve(columns + 2 * i, &channels[i], count, 2 * ENGINE_COLUMN_WORDS, results + i);
    }
}

#endif
