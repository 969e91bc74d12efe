// The watchdog of mps2: at its first timeout a non-maskable interrupt, which ends as a fault does, at its second a
// reset. QEMU's board has no register for the cause of a reset.
#include "../common/watchdog.h"

#include "../board.h"
#include "mps2.h"

void watchdog_hardware_start(void) {
    WATCHDOG_LOAD = WATCHDOG_HARDWARE_SECONDS * MPS2_CLOCK_HZ;
    WATCHDOG_CTRL = WATCHDOG_CTRL_INTERRUPT | WATCHDOG_CTRL_RESET;
}

void watchdog_hardware_feed(void) {
    WATCHDOG_INTCLEAR = 1; // counts from WATCHDOG_LOAD again
}

enum reset_cause board_reset_cause(void) {
    return RESET_UNKNOWN;
}
