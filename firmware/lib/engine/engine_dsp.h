// Private to the engine: the three instructions that a Cortex-M4 multiplies int8 with, and their portable twins.
//
// A word holds four int8 values, or a pair of int16 values, the first one in the lowest bits.
#ifndef ENGINE_DSP_H
#define ENGINE_DSP_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#include <arm_acle.h>

// Bytes 0 and 2, sign-extended to a pair.
static inline uint32_t engine_even_bytes(uint32_t bytes) {
    return (uint32_t)__sxtb16((int8x4_t)bytes);
}

// Bytes 1 and 3, sign-extended to a pair. In assembler, because GCC does not fold the rotation into the instruction.
static inline uint32_t engine_odd_bytes(uint32_t bytes) {
    uint32_t pair;
    __asm("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
    return pair;
}

// sum + both products of two pairs, wrapping.
static inline int32_t engine_pair_product(uint32_t a, uint32_t b, int32_t sum) {
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
}

#else

static inline uint32_t engine_even_bytes(uint32_t bytes) {
    const uint32_t low = (uint32_t)(int32_t)(int8_t)(bytes & 0xFF);
    const uint32_t high = (uint32_t)(int32_t)(int8_t)((bytes >> 16) & 0xFF);
    return (low & 0xFFFF) | (high << 16);
}

static inline uint32_t engine_odd_bytes(uint32_t bytes) {
    return engine_even_bytes(bytes >> 8);
}

static inline int32_t engine_pair_product(uint32_t a, uint32_t b, int32_t sum) {
    const int32_t low = (int16_t)(a & 0xFFFF) * (int16_t)(b & 0xFFFF);
    const int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
}

#endif

#if defined(__GNUC__)
#define ENGINE_NOINLINE __attribute__((noinline))
#else
#define ENGINE_NOINLINE
#endif

// Four bytes from any address.
static inline uint32_t engine_load(const void *address) {
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

#endif
