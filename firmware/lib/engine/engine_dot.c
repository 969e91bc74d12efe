// The sums of a block: Cortex-M4 assembler that keeps eight sums in registers, and its portable twin.
#include "engine_dot.h"

#include "engine_dsp.h"

enum { STEP_BYTES = 4 * ENGINE_DOT_PIXELS };

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

enum { UNROLLED_STEPS = 16, STEP_CODE_BYTES = 44 };

struct engine_dot engine_dot_shape(int32_t runs, int32_t run_steps, int32_t distance_bytes) {
    const int32_t run_bytes = run_steps * STEP_BYTES;
    const int32_t first_steps = (run_steps - 1) % UNROLLED_STEPS + 1; // taken in the first pass of the loop
    const int32_t skipped = (UNROLLED_STEPS - first_steps) * STEP_CODE_BYTES;
    return (struct engine_dot){run_bytes, distance_bytes - run_bytes, runs, skipped};
}

// 11 instructions for 16 products. Sums take 8 of the 14 registers, the two addresses 2, a step's values and weights
// 2 each; a compiler spills some of them, and that is why this is written by hand. In r4-r11 the sums of a channel
// stand side by side, left pixel first; r2 and r3 hold the values, r12 and lr the weights.
#define STEP                                                                                                           \
    "ldrd r2, r3, [r1], #8\n"                                                                                          \
    "ldrd r12, lr, [r0], #8\n"                                                                                         \
    "smlad r4, r12, r2, r4\n"                                                                                          \
    "smlad r5, r12, r3, r5\n"                                                                                          \
    "smlad r6, lr, r2, r6\n"                                                                                           \
    "smlad r7, lr, r3, r7\n"                                                                                           \
    "ldrd r12, lr, [r0], #8\n"                                                                                         \
    "smlad r8, r12, r2, r8\n"                                                                                          \
    "smlad r9, r12, r3, r9\n"                                                                                          \
    "smlad r10, lr, r2, r10\n"                                                                                         \
    "smlad r11, lr, r3, r11\n"
#define FOUR_STEPS STEP STEP STEP STEP

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// On the stack: [sp] the end of the run, [sp, 4] the runs left, [sp, 8] `shape`; [sp, 48] is the argument `sums`.
__attribute__((naked, noinline)) void engine_dot(const uint32_t *weights, const uint32_t *values,
    const struct engine_dot *shape, const int32_t *bias, int32_t *sums) {
    __asm volatile("push {r4-r11, lr}\n"
                   "sub sp, #12\n"
                   "ldm r3, {r4, r6, r8, r10}\n"
                   "mov r5, r4\n"
                   "mov r7, r6\n"
                   "mov r9, r8\n"
                   "mov r11, r10\n"
                   "ldr r3, [r2, #8]\n"
                   "str r2, [sp, #8]\n"
                   "1:\n" // a run; r2 = shape, r3 = runs left
                   "str r3, [sp, #4]\n"
                   "ldr r3, [r2]\n"
                   "add r3, r1\n"
                   "str r3, [sp]\n"
                   "ldr r3, [r2, #12]\n"
                   "adr r2, 2f\n"
                   "add r2, r3\n"
                   "mov pc, r2\n"
                   ".balign 4\n"
                   "2:\n" FOUR_STEPS FOUR_STEPS FOUR_STEPS FOUR_STEPS "ldr r2, [sp]\n"
                   "cmp r1, r2\n"
                   "bne.w 2b\n"
                   "ldrd r3, r2, [sp, #4]\n"
                   "ldr r12, [r2, #4]\n"
                   "add r1, r12\n"
                   "subs r3, #1\n"
                   "bne.w 1b\n"
                   "add sp, #12\n"
                   "ldr r2, [sp, #36]\n"
                   "stm r2, {r4-r11}\n"
                   "pop {r4-r11, pc}\n");
}

#else

struct engine_dot engine_dot_shape(int32_t runs, int32_t run_steps, int32_t distance_bytes) {
    const int32_t run_bytes = run_steps * STEP_BYTES;
    return (struct engine_dot){run_bytes, distance_bytes - run_bytes, runs, 0};
}

void engine_dot(const uint32_t *weights, const uint32_t *values, const struct engine_dot *shape, const int32_t *bias,
    int32_t *sums) {
    for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
        sums[2 * channel] = sums[2 * channel + 1] = bias[channel];
    }
    for (int32_t run = 0; run < shape->runs; run++) {
        for (int32_t step = 0; step < shape->run_bytes / STEP_BYTES; step++) {
            for (int32_t channel = 0; channel < ENGINE_CONV_CHANNELS; channel++) {
                sums[2 * channel] = engine_pair_product(weights[channel], values[0], sums[2 * channel]);
                sums[2 * channel + 1] = engine_pair_product(weights[channel], values[1], sums[2 * channel + 1]);
            }
            weights += ENGINE_CONV_CHANNELS;
            values += ENGINE_DOT_PIXELS;
        }
        values += shape->gap_bytes / 4;
    }
}

#endif
