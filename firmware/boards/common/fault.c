// A fault of the firmware: say what is known over the serial port, then start again.
#include <string.h>

#include "../board.h"
#include "fault_text.h"

void startup_fault(const uint32_t *frame);

void startup_fault(const uint32_t *frame) {
    char text[FAULT_TEXT_BYTES];
    fault_text(text, frame);
    board_write((const uint8_t *)"\0", 1); // an answer may have been under way: this ends it
    board_write((const uint8_t *)text, strlen(text));
    system_reset();
}
