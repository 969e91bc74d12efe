// The transform back of F(2 x 2, 3 x 3): with M a tile's 4 x 4 planes, A^T M A, down first, and
// A^T = 1 1  1  0
//       0 1 -1 -1
// The sums run on from plane to plane, s(n) = m(0) + ... + m(n). So in a column of planes m(0) + m(1) + m(2) is the
// difference of two sums, and m(1) - m(2) - m(3) = 2 s(1) - s(0) - s(3): less work than with sums that start anew.
//
// What comes out is four times the convolution's sum. It is requantised as engine_quick does, with an instruction
// fewer: SMMLAR adds the offset to the rounded product of twice the sum with the multiplier itself. The sum is negative
// where the product is, and where only the sum is, the product is 0, to which one less makes no difference.
#include "engine_winograd_block.h"

#include "engine_dsp.h"

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

// The sum that runs on to plane n; `tile` is 0 for the left tile, 4 for the right one.
#define SUM(n, tile) "[r0, #" #n " * 32 + " #tile "]\n"

// target = m(1) - m(2) - m(3) of a column that starts with plane `first`; lr = its last sum.
#define BOTTOM(target, first, tile)                                                                                    \
    "ldr " target                                                                                                      \
    ", " SUM((first), tile) "ldr lr, " SUM((first + 1), tile) "rsb " target ", " target ", lr, lsl #1\n"               \
                                                              "ldr lr, " SUM((first + 3), tile) "sub " target ", lr\n"

// Requantise and store; r4 = twice the bias, r5 = multiplier, r6 = offset, r7 = shift.
#define FINISH(sum, place)                                                                                             \
    "add " sum ", r4, " sum ", asr #1\n"                                                                               \
    "smmlar r11, " sum ", r5, r6\n"                                                                                    \
    "add r11, r11, " sum ", asr #31\n"                                                                                 \
    "asr r11, r7\n"                                                                                                    \
    "ssat r11, #8, r11\n"                                                                                              \
    "strb r11, " place "\n"

// One tile, one channel: r10 and r9 become its upper two sums, r8 and r12 the lower two.
#define TILE(tile)                                                                                                     \
    BOTTOM("r8", 0, tile)                                                                                              \
    "ldr r10, " SUM(2, tile) "ldr r9, " SUM(                                                                           \
        6, tile) "sub r9, lr\n"                                                                                        \
                 "add r10, r9\n" BOTTOM("r12", 4,                                                                      \
                     tile) "add r8, r12\n"                                                                             \
                           "ldr r11, " SUM(10,                                                                         \
                               tile) "sub r11, lr\n"                                                                   \
                                     "add r10, r11\n"                                                                  \
                                     "sub r9, r11\n" BOTTOM("r11", 8,                                                  \
                                         tile) "add r8, r11\n"                                                         \
                                               "sub r12, r11\n"                                                        \
                                               "ldr r11, " SUM(14,                                                     \
                                                   tile) "sub r11, lr\n"                                               \
                                                         "sub r9, r11\n" BOTTOM("r11", 12,                             \
                                                             tile) "sub r12, r11\n"                                    \
                                                                   "ldr lr, [sp, #44]\n" FINISH("r10", "[r2]")         \
                                                                       FINISH("r9", "[r2, lr]") FINISH("r8", "[r3]")   \
                                                                           FINISH("r12", "[r3, lr]")

#pragma GCC diagnostic ignored "-Wunused-parameter" // the assembler uses them all

// r0 = sums, r1 = the channel's factor, r2 = upper, r3 = lower; on the stack: [sp] the channel's bias, [sp, 4] the end
// of the factors, [sp, 44] `pixel`.
__attribute__((naked, noinline)) void engine_winograd_finish(
    const uint32_t *sums, const struct engine_panel *panel, int8_t *upper, int8_t *lower, int32_t pixel) {
    // clang-format off
    __asm volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #8\n"
        "str r1, [sp]\n"
        "add r4, r1, #64\n"
        "str r4, [sp, #4]\n"
        "adds r1, #16\n"
        "1:\n"
        "ldr r12, [sp]\n"
        "ldr r4, [r12], #4\n"
        "str r12, [sp]\n"
        "ldm r1!, {r5, r6, r7}\n"
        "lsls r4, r4, #1\n"
        "lsrs r5, r5, #1\n"
        TILE(0)
        "add r2, r2, lr, lsl #1\n"
        "add r3, r3, lr, lsl #1\n"
        TILE(4)
        "sub r2, r2, lr, lsl #1\n"
        "sub r3, r3, lr, lsl #1\n"
        "adds r2, #1\n"
        "adds r3, #1\n"
        "adds r0, #8\n"
        "ldr r12, [sp, #4]\n"
        "cmp r1, r12\n"
        "bne.w 1b\n"
        "add sp, #8\n"
        "pop {r4-r11, pc}\n");
    // clang-format on
}

#else

enum { TILE = 4, TILE_COLUMNS = 2 };

static int8_t finish(uint32_t sum, int32_t bias, struct engine_quick_factor factor) {
    const int32_t doubled = 2 * bias + ((int32_t)sum >> 1);
    const int32_t multiplier = (int32_t)((uint32_t)factor.multiplier >> 1);
    const int32_t high = engine_sum_high_product(factor.offset, doubled, multiplier);
    return (int8_t)engine_saturate_byte((high + (doubled >> 31)) >> factor.shift);
}

void engine_winograd_finish(
    const uint32_t *sums, const struct engine_panel *panel, int8_t *upper, int8_t *lower, int32_t pixel) {
    for (int32_t i = 0; i < ENGINE_BLOCK_SUMS; i++, sums++) {
        const int32_t channel = i / ENGINE_BLOCK_PIXELS;
        const int32_t place = channel + i % ENGINE_BLOCK_PIXELS * TILE_COLUMNS * pixel;
        const int32_t bias = panel->bias[channel];
        const struct engine_quick_factor factor = panel->factors[channel];
        uint32_t top[TILE], bottom[TILE], before = 0;
        for (int32_t column = 0; column < TILE; column++) {
            const uint32_t *const s = sums + column * TILE * ENGINE_BLOCK_SUMS;
            const uint32_t last = s[3 * ENGINE_BLOCK_SUMS];
            top[column] = s[2 * ENGINE_BLOCK_SUMS] - before;
            bottom[column] = 2 * s[ENGINE_BLOCK_SUMS] - s[0] - last;
            before = last;
        }
        upper[place] = finish(top[0] + top[1] + top[2], bias, factor);
        lower[place] = finish(bottom[0] + bottom[1] + bottom[2], bias, factor);
        upper[place + pixel] = finish(top[1] - top[2] - top[3], bias, factor);
        lower[place + pixel] = finish(bottom[1] - bottom[2] - bottom[3], bias, factor);
    }
}

#endif
