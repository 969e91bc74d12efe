// board.h for mps2, which exists as QEMU's mps2-an386: no clock to set up, and the UART has no baud rate.
#include "../board.h"

#include <stdbool.h>

#include "../common/receive.h"
#include "../common/watchdog.h"
#include "mps2.h"

#define SMALLEST_DIVISOR 16u   // DDI 0479, 4.3.3
#define PATIENCE MPS2_CLOCK_HZ // ticks: a second for a host that reads slowly, as QEMU's line has back-pressure

const char board_name[] = "mps2";
const struct microphone *const board_microphone = NULL;

void uart0_receive_interrupt(void);

void uart0_receive_interrupt(void) {
    UART0_INTCLEAR = UART_INT_RX;
    if (UART0_STATE & UART_STATE_RX_OVERRUN) {
        UART0_STATE = UART_STATE_RX_OVERRUN;
        receive_lost();
    }
    if (UART0_STATE & UART_STATE_RX_FULL) {
        receive_byte((uint8_t)UART0_DATA);
    }
}

void board_init(void) {
    timer0_start(); // counts instead of DWT, which reads as 0 in QEMU
    UART0_BAUDDIV = SMALLEST_DIVISOR;
    UART0_CTRL = UART_CTRL_TX | UART_CTRL_RX | UART_CTRL_RX_INTERRUPT;
    interrupt_enable(UART0_RX_INTERRUPT);
    watchdog_start(MPS2_CLOCK_HZ);
}

uint32_t board_intended_clock_hz(void) {
    return MPS2_CLOCK_HZ;
}

uint32_t board_clock_hz(void) {
    return MPS2_CLOCK_HZ;
}

// Waits until there is room for a byte; false if that takes too long.
static bool wait_for_room(uint32_t patience) {
    uint32_t begin = timer0_ticks();
    while (UART0_STATE & UART_STATE_TX_FULL) {
        if (timer0_ticks() - begin > patience) {
            return false;
        }
    }
    return true;
}

void board_write(const uint8_t *bytes, size_t count) {
    static bool stuck; // the host does not read: output is lost without further waiting until it reads again
    for (size_t i = 0; i < count; i++) {
        stuck = !wait_for_room(stuck ? 0 : PATIENCE);
        if (!stuck) {
            UART0_DATA = bytes[i];
        }
    }
}

uint32_t board_cycles(void) {
    return timer0_ticks();
}
