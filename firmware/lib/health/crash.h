// What is remembered of a crash across the reset that follows it: in memory that start-up leaves alone (.noinit).
//
// A record counts only if its magic number and its CRC-32 hold, so that what RAM contains after power-up is no record.
#ifndef CRASH_H
#define CRASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Why the board started, according to its registers.
enum reset_cause {
    RESET_UNKNOWN = 0,
    RESET_POWER = 1,    // power-up or brown-out
    RESET_PIN = 2,      // the reset button, or a debugger
    RESET_SOFTWARE = 3, // the firmware itself: after a fault, or because it was asked to
    RESET_WATCHDOG = 4, // the hardware's watchdog
    RESET_LOCKUP = 5,   // a fault within a fault handler
    RESET_OTHER = 6,
};

enum crash_kind {
    CRASH_NONE = 0,
    CRASH_FAULT = 1,       // a fault of the core, or an interrupt without a handler
    CRASH_WATCHDOG = 2,    // the main loop stood still, and an interrupt could say where
    CRASH_UNWITNESSED = 3, // the hardware's watchdog or a lock-up: no registers
};

struct crash_registers {
    uint32_t pc, lr; // 0: not stacked, as after an overflow of the stack
    uint32_t sp, cfsr, hfsr;
};

struct crash {
    uint32_t kind;    // enum crash_kind of the last one
    uint32_t request; // type of the request that was being answered then; 0: none
    uint32_t count;   // since power-up or crash_forget()
    struct crash_registers registers;
};

// Once at boot: keeps a record that survived, and makes one if the cause of the reset was a crash that left none.
void crash_begin(enum reset_cause cause);

// From a fault handler, just before the reset.
void crash_record(enum crash_kind kind, const struct crash_registers *registers);

// The type of the request that is answered from now on; 0: none.
void crash_request(uint8_t type);

// The last crash; all 0 where there was none.
struct crash crash_last(void);

void crash_forget(void);

#ifdef __cplusplus
}
#endif

#endif
