// The watchdog of the nRF52840, and the cause of its last reset.
#include "../common/watchdog.h"

#include "../board.h"
#include "nrf52840.h"

#define WDT_HZ 32768u
// Only a power cycle, the reset button or the watchdog itself stops it, so that it keeps running in Arduino's boot
// loader: long enough for writing all of the flash. The system timer is quicker anyway.
#define SECONDS 120u

_Static_assert(SECONDS > WATCHDOG_HARDWARE_SECONDS, "the system timer must come first");

void watchdog_hardware_start(void) {
    WDT_CRV = SECONDS * WDT_HZ - 1u;
    WDT_CONFIG = 0; // it stands still while the core sleeps, as the system timer does, and under a debugger
    WDT_RREN = 1;
    WDT_TASKS_START = 1;
}

void watchdog_hardware_feed(void) {
    WDT_RR0 = WDT_RR_RELOAD;
}

enum reset_cause board_reset_cause(void) {
    uint32_t reasons = POWER_RESETREAS;
    POWER_RESETREAS = reasons; // what is written as 1 is cleared; else they add up
    if (reasons == 0) {
        return RESET_POWER;
    }
    return reasons & POWER_RESETREAS_DOG      ? RESET_WATCHDOG
           : reasons & POWER_RESETREAS_LOCKUP ? RESET_LOCKUP
           : reasons & POWER_RESETREAS_SREQ   ? RESET_SOFTWARE
           : reasons & POWER_RESETREAS_PIN    ? RESET_PIN
                                              : RESET_OTHER;
}
