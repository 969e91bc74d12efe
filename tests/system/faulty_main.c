// A program that boots, says so, and then does what FAULT says; for tests/system/test_fault.py.
#include "board.h"

int deeper(volatile int level);

int deeper(volatile int level) {
    volatile int frame[64] = {level};
    return frame[0] + deeper(level + 1) + frame[1];
}

int main(void) {
    board_init();
    board_write((const uint8_t *)"hello\r\n", 7);
    FAULT;
    return 0;
}
