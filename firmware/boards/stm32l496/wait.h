// Waiting for a bit of a register, but not for ever.
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>
#include <stdint.h>

// Turns of the loop: at least 10 ms at any clock. A byte at 38400 baud takes 0.3 ms, and the clock less.
#define WAIT_TURNS 100000u

// Waits until the bits of `mask` are `value`; false if that takes too long.
static inline bool wait_for(volatile uint32_t *address, uint32_t mask, uint32_t value) {
    for (uint32_t turn = 0; turn < WAIT_TURNS; turn++) {
        if ((*address & mask) == value) {
            return true;
        }
    }
    return false;
}

#endif
