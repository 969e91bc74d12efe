// A block in Cortex-M4 assembler that keeps its eight sums in registers, and in portable C with the same results.
#include "engine_block.h"

#include "engine_dsp.h"
#include "engine_requantise.h"

enum { STEP_BYTES = 4 * ENGINE_BLOCK_PIXELS };

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#include "engine_step.h"

extern const char engine_block_steps[]; // the unrolled loop, in the middle of engine_block

struct engine_windows engine_windows(int32_t steps, int32_t columns, int32_t distance_bytes) {
    const int32_t bytes = steps * STEP_BYTES;
    const char *const entry = engine_step_entry(engine_block_steps, steps);
    return (struct engine_windows){bytes, columns, distance_bytes - bytes, entry, NULL};
}

// engine_quick of a sum; r2 = multiplier, r12 = offset, lr = shift.
#define FINISH_SUM(sum, result)                                                                                        \
    "smmlar " sum ", " sum ", r2, " sum "\n"                                                                           \
    "add " sum ", " sum ", " sum ", asr #31\n"                                                                         \
    "qadd " sum ", " sum ", r12\n"                                                                                     \
    "asr " sum ", " sum ", lr\n"                                                                                       \
    "ssat " result ", #8, " sum "\n"
#define NEXT_FACTOR "ldm r3!, {r2, r12, lr}\n"

// Replace sums by saved ones that are larger.
#define LARGER(sum, saved) "cmp " sum ", " saved "\nit lt\nmovlt " sum ", " saved "\n"

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// On the stack: [sp] the end of the window, [sp, 4] the windows left, [sp, 8] `windows`, [sp, 12] `panel`, [sp, 16]
// `weights`, [sp, 20] the sums of the windows before.
__attribute__((naked, noinline, used)) uint64_t engine_block(const uint32_t *weights, const uint32_t *values,
    const struct engine_windows *windows, const struct engine_panel *panel) {
    // clang-format off
    __asm volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #52\n"
        "strd r2, r3, [sp, #8]\n"
        "str r0, [sp, #16]\n"
        "ldr r12, [r2, #4]\n"
        "1:\n" // a window; r0 = weights, r1 = its values, r2 = windows, r3 = panel, r12 = how many are left
        "str r12, [sp, #4]\n"
        "ldm r3, {r4, r6, r8, r10}\n"
        "mov r5, r4\n"
        "mov r7, r6\n"
        "mov r9, r8\n"
        "mov r11, r10\n"
        "ldr r12, [r2]\n"
        "add r12, r1\n"
        "str r12, [sp]\n"
        "ldr pc, [r2, #12]\n"
        ".globl engine_block_steps\n" // also where link-time optimisation puts engine_windows elsewhere
        "engine_block_steps:\n"
        "2:\n" SIXTEEN_STEPS
        "ldr r2, [sp]\n"
        "cmp r1, r2\n"
        "bne.w 2b\n"
        "ldrd r12, r2, [sp, #4]\n"
        "ldr r3, [r2, #4]\n"
        "cmp r12, r3\n"
        "beq 3f\n" // the first window
        "add r12, sp, #20\n"
        "ldm r12!, {r0, r2, r3, lr}\n"
        LARGER("r4", "r0") LARGER("r5", "r2") LARGER("r6", "r3") LARGER("r7", "lr")
        "ldm r12!, {r0, r2, r3, lr}\n"
        LARGER("r8", "r0") LARGER("r9", "r2") LARGER("r10", "r3") LARGER("r11", "lr")
        "ldrd r12, r2, [sp, #4]\n"
        "3:\n"
        "subs r12, #1\n"
        "beq 4f\n"
        "add r0, sp, #20\n"
        "stm r0, {r4-r11}\n"
        "ldr r0, [r2, #8]\n"
        "add r1, r0\n"
        "ldrd r3, r0, [sp, #12]\n"
        "b.w 1b\n"
        "4:\n"
        "ldr r0, [r2, #16]\n"
        "cbz r0, 5f\n"
        "stm r0, {r4-r11}\n"
        "b 6f\n"
        "5:\n"
        "ldr r3, [sp, #12]\n"
        "add r3, #16\n" // the panel's factors
        NEXT_FACTOR FINISH_SUM("r4", "r0") FINISH_SUM("r5", "r1")
        NEXT_FACTOR FINISH_SUM("r6", "r6") FINISH_SUM("r7", "r7")
        NEXT_FACTOR FINISH_SUM("r8", "r8") FINISH_SUM("r9", "r9")
        NEXT_FACTOR FINISH_SUM("r10", "r10") FINISH_SUM("r11", "r11")
        "bfi r0, r6, #8, #8\n"
        "bfi r0, r8, #16, #8\n"
        "bfi r0, r10, #24, #8\n"
        "bfi r1, r7, #8, #8\n"
        "bfi r1, r9, #16, #8\n"
        "bfi r1, r11, #24, #8\n"
        "6:\n"
        "add sp, #52\n"
        "pop {r4-r11, pc}\n");
    // clang-format on
}

#else

struct engine_windows engine_windows(int32_t steps, int32_t columns, int32_t distance_bytes) {
    const int32_t bytes = steps * STEP_BYTES;
    return (struct engine_windows){bytes, columns, distance_bytes - bytes, NULL, NULL};
}

// The largest sum of one channel and one pixel.
static int32_t largest_sum(
    const uint32_t *weights, const uint32_t *values, const struct engine_windows *windows, int32_t bias) {
    int32_t largest = INT32_MIN;
    for (int32_t column = 0; column < windows->columns; column++, values += windows->gap_bytes / 4) {
        int32_t sum = bias;
        for (int32_t step = 0; step < windows->bytes / STEP_BYTES; step++, values += ENGINE_BLOCK_PIXELS) {
            sum = engine_pair_product(weights[step * ENGINE_CONV_CHANNELS], *values, sum);
        }
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

uint64_t engine_block(const uint32_t *weights, const uint32_t *values, const struct engine_windows *windows,
    const struct engine_panel *panel) {
    uint64_t results = 0;
    for (int32_t i = 0; i < ENGINE_BLOCK_SUMS; i++) {
        const int32_t channel = i / ENGINE_BLOCK_PIXELS, pixel = i % ENGINE_BLOCK_PIXELS;
        const int32_t sum = largest_sum(weights + channel, values + pixel, windows, panel->bias[channel]);
        if (windows->sums) {
            windows->sums[i] = sum;
        } else {
            const uint8_t result = (uint8_t)engine_quick(sum, panel->factors[channel]);
            results |= (uint64_t)result << (32 * pixel + 8 * channel);
        }
    }
    return results;
}

#endif
