// What a board can check of itself while it runs.
#ifndef SELF_TEST_H
#define SELF_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The constants of model, front end and bundle in flash, and the CRC-32 that the build has given them.
struct self_test_constants {
    const uint8_t *bytes;
    size_t count;
    uint32_t crc;
};

// Whether they are as they were built. Reads nothing but them.
bool self_test_constants_are_whole(const struct self_test_constants *constants);

// A stack, filled with SELF_TEST_PAINT at start-up; it grows from `top` down to `bottom`.
#define SELF_TEST_PAINT 0xA5A5A5A5u

struct self_test_stack {
    const uint32_t *bottom, *top;
};

// Bytes of the stack that were ever written since, at least: what was reserved and never written does not show.
size_t self_test_stack_used(const struct self_test_stack *stack);

#ifdef __cplusplus
}
#endif

#endif
