// A pin of the chip that a peripheral uses.
#ifndef PINS_H
#define PINS_H

#include <stdint.h>

struct pin {
    uint32_t port; // base address
    uint32_t number;
    uint32_t alternate; // STM32L496 data sheet, table 17
};

// Switches its port on and connects it to its peripheral, with a pull-up.
void pin_connect(const struct pin *pin);

// Gives a connected pin edges for some 10 MHz; those after reset suffice for a few MHz.
void pin_quicken(const struct pin *pin);

#endif
