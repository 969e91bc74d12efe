// From int8 to int16 in Cortex-M4 assembler, and in portable C with the same results.
#include "engine_widen.h"

#include "engine_dsp.h"

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// Sixteen weights in ten instructions, where a compiler takes sixteen: two steps.
#define WIDEN_TWO_STEPS                                                                                                \
    "ldm r0!, {r3, r5, r7, r9}\n"                                                                                      \
    "sxtb16 r4, r3, ror #8\n"                                                                                          \
    "sxtb16 r3, r3\n"                                                                                                  \
    "sxtb16 r6, r5, ror #8\n"                                                                                          \
    "sxtb16 r5, r5\n"                                                                                                  \
    "sxtb16 r8, r7, ror #8\n"                                                                                          \
    "sxtb16 r7, r7\n"                                                                                                  \
    "sxtb16 r10, r9, ror #8\n"                                                                                         \
    "sxtb16 r9, r9\n"                                                                                                  \
    "stm r2!, {r3-r10}\n"

__attribute__((naked, noinline)) void engine_widen_panel(const int8_t *packed, int32_t steps, uint32_t *panel) {
    // clang-format off
    __asm volatile(
        "push {r4-r10, lr}\n"
        "subs r1, #8\n"
        "blt 2f\n"
        "1:\n"
        WIDEN_TWO_STEPS WIDEN_TWO_STEPS WIDEN_TWO_STEPS WIDEN_TWO_STEPS
        "subs r1, #8\n"
        "bge 1b\n"
        "2:\n"
        "adds r1, #8\n"
        "beq 5f\n"
        "3:\n"
        "subs r1, #2\n"
        "blt 4f\n"
        WIDEN_TWO_STEPS
        "b 3b\n"
        "4:\n"
        "adds r1, #1\n"
        "blt 5f\n"
        "ldm r0, {r3, r5}\n" // an odd step
        "sxtb16 r4, r3, ror #8\n"
        "sxtb16 r3, r3\n"
        "sxtb16 r6, r5, ror #8\n"
        "sxtb16 r5, r5\n"
        "stm r2, {r3-r6}\n"
        "5:\n"
        "pop {r4-r10, pc}\n");
    // clang-format on
}

// Thirteen instructions for eight values, where a compiler takes eighteen.
__attribute__((naked, noinline)) void engine_widen_pixels(
    const int8_t *left, const int8_t *right, int32_t count, uint32_t zero_point, uint32_t *target) {
    // clang-format off
    __asm volatile(
        "push {r4-r9, lr}\n"
        "ldr r12, [sp, #28]\n" // target
        "1:\n"
        "ldr r4, [r0], #4\n"
        "ldr r5, [r1], #4\n"
        "sxtb16 r6, r4\n"
        "sxtb16 r7, r5\n"
        "sxtb16 r8, r4, ror #8\n"
        "sxtb16 r9, r5, ror #8\n"
        "ssub16 r6, r6, r3\n"
        "ssub16 r7, r7, r3\n"
        "ssub16 r8, r8, r3\n"
        "ssub16 r9, r9, r3\n"
        "stm r12!, {r6-r9}\n"
        "subs r2, #4\n"
        "bgt 1b\n"
        "pop {r4-r9, pc}\n");
    // clang-format on
}

#else

void engine_widen_panel(const int8_t *packed, int32_t steps, uint32_t *panel) {
    for (; steps > 0; steps--, packed += 2 * ENGINE_CONV_CHANNELS, panel += ENGINE_CONV_CHANNELS) {
        const uint32_t first = engine_load(packed), second = engine_load(packed + 4);
        panel[0] = engine_even_bytes(first);
        panel[1] = engine_odd_bytes(first);
        panel[2] = engine_even_bytes(second);
        panel[3] = engine_odd_bytes(second);
    }
}

void engine_widen_pixels(
    const int8_t *left, const int8_t *right, int32_t count, uint32_t zero_point, uint32_t *target) {
    for (; count > 0; count -= 4, left += 4, right += 4, target += 4) {
        const uint32_t a = engine_load(left), b = engine_load(right);
        target[0] = engine_subtract_pairs(engine_even_bytes(a), zero_point);
        target[1] = engine_subtract_pairs(engine_even_bytes(b), zero_point);
        target[2] = engine_subtract_pairs(engine_odd_bytes(a), zero_point);
        target[3] = engine_subtract_pairs(engine_odd_bytes(b), zero_point);
    }
}

#endif
