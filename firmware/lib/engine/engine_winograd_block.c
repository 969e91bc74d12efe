// The products of engine_winograd in Cortex-M4 assembler, and in portable C with the same results.
#include "engine_winograd_block.h"

#include "engine_dsp.h"

enum { STEP_BYTES = 4 * ENGINE_BLOCK_PIXELS };

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#include "engine_step.h"

extern const char engine_winograd_steps[]; // the unrolled loop, in the middle of engine_winograd_block

struct engine_plane engine_plane(int32_t steps) {
    return (struct engine_plane){steps * STEP_BYTES, engine_step_entry(engine_winograd_steps, steps)};
}

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

#define COPY_EIGHT "ldm r0!, {r3-r10}\nstm r2!, {r3-r10}\n"

__attribute__((naked, noinline)) void engine_winograd_copy(const uint32_t *weights, int32_t words, uint32_t *panel) {
    // clang-format off
    __asm volatile(
        "push {r4-r10, lr}\n"
        "1:\n"
        COPY_EIGHT COPY_EIGHT COPY_EIGHT COPY_EIGHT
        "subs r1, #32\n"
        "bgt 1b\n"
        "pop {r4-r10, pc}\n");
    // clang-format on
}

// On the stack: [sp] the end of the plane, [sp, 4] where its sums go, [sp, 8] its bytes, [sp, 12] the entry, [sp, 16]
// the end of the last plane. Sums that run on need not be cleared, and cost the transform back no more than others.
__attribute__((naked, noinline, used)) void engine_winograd_block(
    const uint32_t *weights, const uint32_t *values, const struct engine_plane *plane, uint32_t *sums) {
    // clang-format off
    __asm volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #20\n"
        "ldrd r4, r5, [r2]\n"
        "add r6, r1, r4\n"
        "add r7, r1, r4, lsl #4\n" // 16 planes
        "strd r6, r3, [sp]\n"
        "strd r4, r5, [sp, #8]\n"
        "str r7, [sp, #16]\n"
        "mov r12, r5\n"
        "movs r4, #0\n"
        "movs r5, #0\n"
        "movs r6, #0\n"
        "movs r7, #0\n"
        "mov r8, #0\n"
        "mov r9, #0\n"
        "mov r10, #0\n"
        "mov r11, #0\n"
        "bx r12\n"
        ".globl engine_winograd_steps\n" // also where link-time optimisation puts engine_plane elsewhere
        "engine_winograd_steps:\n"
        "1:\n" SIXTEEN_STEPS
        "ldr r2, [sp]\n"
        "cmp r1, r2\n"
        "bne.w 1b\n"
        "ldrd r3, r12, [sp, #4]\n"
        "stm r3!, {r4-r11}\n"
        "add r12, r1\n"
        "strd r12, r3, [sp]\n"
        "ldrd r12, r3, [sp, #12]\n"
        "cmp r1, r3\n"
        "beq 2f\n"
        "bx r12\n"
        "2:\n"
        "add sp, #20\n"
        "pop {r4-r11, pc}\n");
    // clang-format on
}

#else

struct engine_plane engine_plane(int32_t steps) {
    return (struct engine_plane){steps * STEP_BYTES, NULL};
}

void engine_winograd_copy(const uint32_t *weights, int32_t words, uint32_t *panel) {
    memcpy(panel, weights, (size_t)words * 4);
}

void engine_winograd_block(
    const uint32_t *weights, const uint32_t *values, const struct engine_plane *plane, uint32_t *sums) {
    for (int32_t i = 0; i < ENGINE_BLOCK_SUMS; i++) {
        const uint32_t *weight = weights + i / ENGINE_BLOCK_PIXELS, *value = values + i % ENGINE_BLOCK_PIXELS;
        int32_t sum = 0;
        for (int32_t p = 0; p < ENGINE_WINOGRAD_PLANES; p++) {
            for (int32_t step = 0; step < plane->bytes / STEP_BYTES; step++) {
                sum = engine_pair_product(*weight, *value, sum);
                weight += ENGINE_CONV_CHANNELS;
                value += ENGINE_BLOCK_PIXELS;
            }
            sums[p * ENGINE_BLOCK_SUMS + i] = (uint32_t)sum;
        }
    }
}

#endif
