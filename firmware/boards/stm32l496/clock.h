// The core clock of the STM32L496.
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define CLOCK_HZ 80000000u     // MSI through the PLL
#define CLOCK_SLOW_HZ 4000000u // MSI alone, as after reset: RM0351, 6.2.3

// Sets it up for CLOCK_HZ, goes back to CLOCK_SLOW_HZ where something does not start in time, and returns what runs.
uint32_t clock_start(void);

#endif
