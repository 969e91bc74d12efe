// A panel's dense sums in Cortex-M4 assembler, and in portable C with the same results.
#include "engine_dense_sums.h"

#include "engine_dsp.h"

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// An output's four weights, in `weights`: values 0 and 2 are in r8, 1 and 3 in r9.
#define ADD_QUAD(weights, sum)                                                                                         \
    "sxtb16 r10, " weights "\n"                                                                                        \
    "smlad " sum ", r10, r8, " sum "\n"                                                                                \
    "sxtb16 r10, " weights ", ror #8\n"                                                                                \
    "smlad " sum ", r10, r9, " sum "\n"

// 16 products in 20 instructions, where a compiler takes 26: it loads the weights one by one, and spills.
__attribute__((naked, noinline)) void engine_dense_sums(
    const int8_t *weights, const uint32_t *values, int32_t quads, int32_t sums[ENGINE_CONV_CHANNELS]) {
    // clang-format off
    __asm volatile(
        "push {r3-r11, lr}\n"
        "mov r3, #0\n"
        "mov r11, #0\n"
        "mov r12, #0\n"
        "mov lr, #0\n"
        "1:\n"
        "ldm r0!, {r4-r7}\n"
        "ldrd r8, r9, [r1], #8\n"
        ADD_QUAD("r4", "r3") ADD_QUAD("r5", "r11") ADD_QUAD("r6", "r12") ADD_QUAD("r7", "lr")
        "subs r2, #1\n"
        "bne 1b\n"
        "pop {r4}\n"
        "stm r4, {r3, r11, r12, lr}\n"
        "pop {r4-r11, pc}\n");
    // clang-format on
}

#else

void engine_dense_sums(
    const int8_t *weights, const uint32_t *values, int32_t quads, int32_t sums[ENGINE_CONV_CHANNELS]) {
    memset(sums, 0, ENGINE_CONV_CHANNELS * sizeof *sums);
    for (; quads > 0; quads--, values += 2) {
        for (int32_t i = 0; i < ENGINE_CONV_CHANNELS; i++, weights += 4) {
            const uint32_t quad = engine_load(weights);
            sums[i] = engine_pair_product(engine_even_bytes(quad), values[0], sums[i]);
            sums[i] = engine_pair_product(engine_odd_bytes(quad), values[1], sums[i]);
        }
    }
}

#endif
