// From reset to main(), the same on every board: startup_common.c; each boards/<board>/startup.c adds its vector table.
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

#include "cortex_m4.h"

typedef void (*vector)(void);

extern uint32_t __stack_top[]; // from sections.ld

// Called with what main() returned. Weak: by default sleeps for ever; semihost.c ends the emulator instead.
void startup_exit(int code);

// Called on every fault with the address of the stacked r0-r3, r12, lr, pc, xpsr. Where the stack has no room left the
// report is made on a new one: it begins at the top again. Weak: by default resets.
__attribute__((used)) void startup_fault(const uint32_t *frame);

void startup_reset(void);
__attribute__((used)) void startup_fault_entry(void);

// The system timer's interrupt: watchdog.c's. Test images have none.
void systick_interrupt(void);

// The sixteen vectors of the core; interrupts are left to the board.
#define STARTUP_CORE_VECTORS                                                                                           \
    [0] = (vector)__stack_top, [1] = startup_reset, [2 ... 6] = startup_fault_entry,                                   \
    [11 ... 12] = startup_fault_entry, [14] = startup_fault_entry, [EXCEPTION_SYSTICK] = systick_interrupt

#endif
