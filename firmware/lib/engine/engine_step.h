// Private to the engine: a step of 4 output channels by 2 pixels in Cortex-M4 assembler, and the loop of 16 of them.
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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
#define SIXTEEN_STEPS FOUR_STEPS FOUR_STEPS FOUR_STEPS FOUR_STEPS

enum { UNROLLED_STEPS = 16, STEP_CODE_BYTES = 44 };

// Where to enter a loop of SIXTEEN_STEPS that starts at `loop`, so that `steps` steps end with it.
static inline const char *engine_step_entry(const char *loop, int32_t steps) {
    const int32_t first_steps = (steps - 1) % UNROLLED_STEPS + 1;       // taken in the first pass
    return loop + (UNROLLED_STEPS - first_steps) * STEP_CODE_BYTES + 1; // + 1: in Thumb state
}

#ifdef __cplusplus
}
#endif

#endif
