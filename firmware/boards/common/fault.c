// A fault of the firmware, or a main loop that stands still: remember it, say what is known over the serial port, then
// start again.
#include <string.h>

#include "../board.h"
#include "fault_text.h"
#include "startup.h"

void startup_fault(const uint32_t *frame) {
    struct crash_registers registers = {.sp = (uint32_t)frame, .cfsr = SCB_CFSR, .hfsr = SCB_HFSR};
    if (fault_frame_is_whole(frame, registers.cfsr)) {
        registers.lr = frame[5];
        registers.pc = frame[6];
    }
    uint32_t exception = current_exception();
    bool watchdog = exception == EXCEPTION_SYSTICK || exception == EXCEPTION_NMI;
    crash_record(watchdog ? CRASH_WATCHDOG : CRASH_FAULT, &registers);
    char text[FAULT_TEXT_BYTES];
    fault_text(text, watchdog ? "# watchdog" : "# fault", frame);
    board_write((const uint8_t *)"\0", 1); // an answer may have been under way: this ends it
    board_write((const uint8_t *)text, strlen(text));
    system_reset();
}
