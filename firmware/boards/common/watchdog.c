// The system timer as a watchdog that leaves a record: see watchdog.h. It counts tenths of a second since
// board_alive().
#include "watchdog.h"

#include "../board.h"
#include "cortex_m4.h"
#include "startup.h"

#define TICKS_A_SECOND 10u

static volatile uint32_t ticks_left __attribute__((used));

void watchdog_start(uint32_t clock_hz) {
    board_alive();
    SYST_RVR = clock_hz / TICKS_A_SECOND - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
    watchdog_hardware_start();
}

void board_alive(void) {
    ticks_left = WATCHDOG_SECONDS * TICKS_A_SECOND;
    watchdog_hardware_feed();
}

// Without a prologue, so that the stack pointer still shows the interrupted program's registers when it becomes a
// fault.
__attribute__((naked)) void systick_interrupt(void) {
    __asm volatile("ldr r0, =ticks_left\n"
                   "ldr r1, [r0]\n"
                   "subs r1, r1, #1\n"
                   "str r1, [r0]\n"
                   "it ne\n"
                   "bxne lr\n"
                   "b startup_fault_entry\n"
                   ".ltorg\n");
}
