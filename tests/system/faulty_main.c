// A program that boots, says so and what it remembers of a crash, and then does what FAULT says, as if a request of
// type 0x11 asked for it; for tests/system/test_fault.py.
#include <string.h>

#include "board.h"
#include "common/fault_text.h"

int deeper(volatile int level);

int deeper(volatile int level) {
    volatile int frame[64] = {level};
    return frame[0] + deeper(level + 1) + frame[1];
}

static void greet(void) {
    char text[FAULT_TEXT_BYTES];
    const struct crash crash = crash_last();
    char *end = fault_text_field(text, "hello kind=", crash.kind);
    end = fault_text_field(end, " count=", crash.count);
    end = fault_text_field(end, " request=", crash.request);
    end = fault_text_field(end, " pc=", crash.registers.pc);
    memcpy(end, "\r\n", sizeof "\r\n");
    board_write((const uint8_t *)text, strlen(text));
}

int main(void) {
    crash_begin(board_reset_cause());
    board_init();
    greet();
    crash_request(0x11);
    FAULT;
    return 0;
}
