#include "uart.h"

#include "../board.h"
#include "../common/receive.h"
#include "lines.h"
#include "nrf52840.h"
#include "wait.h"

#define TX_PIN 3u // P1.03 and P1.10: Arduino ABX00030, pinout
#define RX_PIN 10u

_Static_assert(BOARD_BAUD == 115200u, "nRF52840 baud rates come from a table: see UART_BAUDRATE_115200");

void uart0_interrupt(void);

void uart0_interrupt(void) {
    if (UART0_EVENTS_ERROR) {
        UART0_EVENTS_ERROR = 0;
        uint32_t source = UART0_ERRORSRC;
        UART0_ERRORSRC = source; // what is written as 1 is cleared
        if (source & UART_ERRORSRC_OVERRUN) {
            receive_lost();
        }
    }
    while (UART0_EVENTS_RXDRDY) {
        UART0_EVENTS_RXDRDY = 0; // before the byte is taken: the next one in the FIFO raises it again
        receive_byte((uint8_t)UART0_RXD);
        line_in_use = LINE_UART;
    }
}

void uart_init(void) {
    GPIO_P1_OUTSET = 1u << TX_PIN; // 6.33.2: the pins as they are while the UART does not drive them
    GPIO_P1_PIN_CNF(TX_PIN) = GPIO_PIN_CNF_OUTPUT;
    GPIO_P1_PIN_CNF(RX_PIN) = GPIO_PIN_CNF_INPUT_PULL_UP;
    UART0_PSEL_TXD = GPIO_PORT1(TX_PIN);
    UART0_PSEL_RXD = GPIO_PORT1(RX_PIN);
    UART0_BAUDRATE = UART_BAUDRATE_115200;
    UART0_ENABLE = UART_ENABLE_UART;
    UART0_EVENTS_RXDRDY = 0;
    UART0_EVENTS_ERROR = 0;
    UART0_INTENSET = UART_INT_RXDRDY | UART_INT_ERROR;
    interrupt_enable(UART0_INTERRUPT);
    UART0_TASKS_STARTRX = 1;
    UART0_TASKS_STARTTX = 1;
}

void uart_write(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        UART0_EVENTS_TXDRDY = 0;
        UART0_TXD = bytes[i];
        (void)wait_for(&UART0_EVENTS_TXDRDY, 1);
    }
}
