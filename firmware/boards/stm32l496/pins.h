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

// Gives a pin that was connected edges for some 10 MHz, where those after reset are for a few.
void pin_quicken(const struct pin *pin);

#endif
