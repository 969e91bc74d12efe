// Waiting that ends.
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/cortex_m4.h"

#define CLOCK_HZ 64000000u // with the crystal, and with the RC oscillator if that does not start
#define CYCLES_PER_MS (CLOCK_HZ / 1000u)
#define WAIT_TURNS 200000u // turns of a waiting loop: more than 20 ms; what we wait for takes 1 ms at most

// Waits until some bits of a register are set; false if that takes too long. Counts turns, not cycles: a fault may have
// to be reported before board_init().
static inline bool wait_for(volatile uint32_t *address, uint32_t bits) {
    for (uint32_t turn = 0; turn < WAIT_TURNS; turn++) {
        if ((*address & bits) != 0) {
            return true;
        }
    }
    return false;
}

// The cycle counter must run.
static inline void wait_ms(uint32_t ms) {
    uint32_t begin = DWT_CYCCNT;
    while (DWT_CYCCNT - begin < ms * CYCLES_PER_MS) {
    }
}

#endif
