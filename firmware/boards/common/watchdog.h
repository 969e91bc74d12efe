// What board_alive() feeds: the system timer, which records where the main loop stood still, and the board's own
// watchdog, which needs no interrupt and no working processor.
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdint.h>

// Longer than the slowest answer: a network of 30 million MACs at the STM32L496's 4 MHz takes half of that.
#define WATCHDOG_SECONDS 25u
// The least that the board's own watchdog waits.
#define WATCHDOG_HARDWARE_SECONDS 30u

// At the end of board_init(): starts both. `clock_hz`: the core clock, at most 160 MHz.
void watchdog_start(uint32_t clock_hz);

// The board's own watchdog: each board's watchdog.c. Started once, it cannot be stopped.
void watchdog_hardware_start(void);
void watchdog_hardware_feed(void);

#endif
