// What is known after a fault, as a line of text.
#ifndef FAULT_TEXT_H
#define FAULT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "cortex_m4.h"

#define FAULT_TEXT_BYTES 96

// ARMv7-M, B3.2.15: the registers of the frame could not be stacked, so they are not there.
#define CFSR_NOT_STACKED 0x1010u

extern uint32_t __stack_bottom[], __stack_top[]; // from sections.ld

// Whether the frame can be read: after an overflow of the stack it cannot.
static inline bool fault_frame_is_whole(const uint32_t *frame, uint32_t cfsr) {
    return (cfsr & CFSR_NOT_STACKED) == 0 && frame >= __stack_bottom && frame + 8 <= __stack_top;
}

static inline char *fault_text_field(char *text, const char *name, uint32_t value) {
    while (*name != '\0') {
        *text++ = *name++;
    }
    for (int shift = 28; shift >= 0; shift -= 4) {
        *text++ = "0123456789abcdef"[(value >> shift) & 15u];
    }
    return text;
}

// Writes `what`, " cfsr=... hfsr=... sp=... pc=... lr=...", CR, LF and a zero. `what`: "# fault" or "# watchdog".
// `frame`: the stacked r0-r3, r12, lr, pc, xpsr.
static inline void fault_text(char text[FAULT_TEXT_BYTES], const char *what, const uint32_t *frame) {
    uint32_t cfsr = SCB_CFSR;
    while (*what != '\0') {
        *text++ = *what++;
    }
    text = fault_text_field(text, " cfsr=", cfsr);
    text = fault_text_field(text, " hfsr=", SCB_HFSR);
    text = fault_text_field(text, " sp=", (uint32_t)frame);
    if (fault_frame_is_whole(frame, cfsr)) {
        text = fault_text_field(text, " pc=", frame[6]);
        text = fault_text_field(text, " lr=", frame[5]);
    }
    *text++ = '\r';
    *text++ = '\n';
    *text = '\0';
}

#endif
