// Private to the engine: the DSP instructions of a Cortex-M4 that its kernels are made of, and their portable twins.
//
// A word holds four int8 values, or a pair of int16 values, the first one in the lowest bits.
#ifndef ENGINE_DSP_H
#define ENGINE_DSP_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

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

// A pair with bytes 0 and 2 added, and with bytes 1 and 3, wrapping.
static inline uint32_t engine_add_even_bytes(uint32_t pair, uint32_t bytes) {
    return (uint32_t)__sxtab16((int16x2_t)pair, (int8x4_t)bytes);
}

static inline uint32_t engine_add_odd_bytes(uint32_t pair, uint32_t bytes) {
    uint32_t result;
    __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(pair), "r"(bytes));
    return result;
}

// The lower halves of two words as a pair, and the upper ones. In assembler, because GCC takes three instructions.
static inline uint32_t engine_lower_halves(uint32_t first, uint32_t second) {
    uint32_t pair;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(first), "r"(second));
    return pair;
}

static inline uint32_t engine_upper_halves(uint32_t first, uint32_t second) {
    uint32_t pair;
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(second), "r"(first));
    return pair;
}

// sum + both products of two pairs, wrapping.
static inline int32_t engine_pair_product(uint32_t a, uint32_t b, int32_t sum) {
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
}

// sum + the product of the lower values of two pairs, wrapping.
static inline int32_t engine_low_product(uint32_t a, uint32_t b, int32_t sum) {
    return __smlabb((int32_t)a, (int32_t)b, sum);
}

// sum + the product of the upper values of two pairs, wrapping.
static inline int32_t engine_top_product(uint32_t a, uint32_t b, int32_t sum) {
    return __smlatt((int32_t)a, (int32_t)b, sum);
}

// Both differences of two pairs, wrapping.
static inline uint32_t engine_subtract_pairs(uint32_t a, uint32_t b) {
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
}

// Both sums of two pairs, wrapping.
static inline uint32_t engine_add_pairs(uint32_t a, uint32_t b) {
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
}

// sum + round(a * b / 2^32), halves up, wrapping; in assembler, because GCC's ACLE has no SMMLAR.
static inline int32_t engine_sum_high_product(int32_t sum, int32_t a, int32_t b) {
    int32_t result;
    __asm("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline int32_t engine_saturating_add(int32_t a, int32_t b) {
    return __qadd(a, b);
}

// The nearest int8; in assembler, because GCC's macro warns of its own conversion.
static inline int32_t engine_saturate_byte(int32_t value) {
    int32_t result;
    __asm("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return result;
}

// Two words side by side; in assembler, because GCC uses STRD only where it need not compute the address.
static inline void engine_store_two(uint32_t *target, uint32_t first, uint32_t second) {
    uint64_t *const two = (uint64_t *)(void *)target;
    __asm("strd %1, %2, %0" : "=Q"(*two) : "r"(first), "r"(second));
}

// The larger of two int8, for each of four.
static inline uint32_t engine_larger_bytes(uint32_t a, uint32_t b) {
    __ssub8((int8x4_t)a, (int8x4_t)b);
    return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

// The smaller of two int8, for each of four.
static inline uint32_t engine_smaller_bytes(uint32_t a, uint32_t b) {
    __ssub8((int8x4_t)a, (int8x4_t)b);
    return (uint32_t)__sel((uint8x4_t)b, (uint8x4_t)a);
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

static inline uint32_t engine_add_pairs(uint32_t a, uint32_t b) {
    return ((a + b) & 0xFFFF) | ((a & 0xFFFF0000u) + (b & 0xFFFF0000u));
}

static inline uint32_t engine_lower_halves(uint32_t first, uint32_t second) {
    return (first & 0xFFFF) | second << 16;
}

static inline uint32_t engine_upper_halves(uint32_t first, uint32_t second) {
    return first >> 16 | (second & 0xFFFF0000u);
}

static inline int32_t engine_pair_product(uint32_t a, uint32_t b, int32_t sum) {
    const int32_t low = (int16_t)(a & 0xFFFF) * (int16_t)(b & 0xFFFF);
    const int32_t high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
}

static inline int32_t engine_low_product(uint32_t a, uint32_t b, int32_t sum) {
    return (int32_t)((uint32_t)sum + (uint32_t)((int16_t)(a & 0xFFFF) * (int16_t)(b & 0xFFFF)));
}

static inline int32_t engine_top_product(uint32_t a, uint32_t b, int32_t sum) {
    return engine_low_product(a >> 16, b >> 16, sum);
}

static inline uint32_t engine_subtract_pairs(uint32_t a, uint32_t b) {
    return ((a - b) & 0xFFFF) | ((a & 0xFFFF0000u) - (b & 0xFFFF0000u));
}

static inline int32_t engine_sum_high_product(int32_t sum, int32_t a, int32_t b) {
    return (int32_t)((uint32_t)sum + (uint32_t)(((int64_t)a * b + (INT64_C(1) << 31)) >> 32));
}

static inline int32_t engine_saturating_add(int32_t a, int32_t b) {
    const int64_t sum = (int64_t)a + b;
    return (int32_t)(sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : sum);
}

static inline int32_t engine_saturate_byte(int32_t value) {
    return value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value;
}

static inline void engine_store_two(uint32_t *target, uint32_t first, uint32_t second) {
    target[0] = first;
    target[1] = second;
}

static inline uint32_t engine_larger_bytes(uint32_t a, uint32_t b) {
    uint32_t result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        const int8_t x = (int8_t)(a >> shift & 0xFF), y = (int8_t)(b >> shift & 0xFF);
        result |= (uint32_t)(uint8_t)(x > y ? x : y) << shift;
    }
    return result;
}

static inline uint32_t engine_smaller_bytes(uint32_t a, uint32_t b) {
    return a ^ b ^ engine_larger_bytes(a, b); // no byte is lost: larger and smaller are a and b in some order
}

static inline uint32_t engine_add_even_bytes(uint32_t pair, uint32_t bytes) {
    return engine_subtract_pairs(pair, engine_subtract_pairs(0, engine_even_bytes(bytes)));
}

static inline uint32_t engine_add_odd_bytes(uint32_t pair, uint32_t bytes) {
    return engine_add_even_bytes(pair, bytes >> 8);
}

#endif

#if defined(__GNUC__)
#define ENGINE_NOINLINE __attribute__((noinline))
#else
#define ENGINE_NOINLINE
#endif

// a + round(a * b / 2^32), halves up.
static inline int32_t engine_add_high_product(int32_t a, int32_t b) {
    return engine_sum_high_product(a, a, b);
}

// Four bytes from any address.
static inline uint32_t engine_load(const void *address) {
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

// Four bytes to any address.
static inline void engine_store(void *address, uint32_t word) {
    memcpy(address, &word, sizeof word);
}

// Two values, or four, as the pair or the word that holds them; the first in the lowest bits.
static inline uint32_t engine_pair(int32_t first, int32_t second) {
    return ((uint32_t)first & 0xFFFF) | (uint32_t)second << 16;
}

static inline uint32_t engine_bytes(int32_t first, int32_t second, int32_t third, int32_t fourth) {
    return ((uint32_t)first & 0xFF) | ((uint32_t)second & 0xFF) << 8 | ((uint32_t)third & 0xFF) << 16 |
           (uint32_t)fourth << 24;
}

#ifdef __cplusplus
}
#endif

#endif
