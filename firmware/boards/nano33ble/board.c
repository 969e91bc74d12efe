// board.h for the Arduino Nano 33 BLE (Sense): 64 MHz, and a UART on the header pins D1/TX and D0/RX.
#include "../board.h"

#include <stdbool.h>

#include "../common/receive.h"
#include "nrf52840.h"

#define CLOCK_HZ 64000000u // whether the crystal started or the RC oscillator has to do
#define TX_PIN 3u          // P1.03 and P1.10: Arduino ABX00030, pinout
#define RX_PIN 10u
#define TIMEOUT 200000u // turns of a waiting loop: more than 20 ms; the crystal takes 0.4 ms, a byte 0.1 ms

_Static_assert(BOARD_BAUD == 115200u, "nRF52840 baud rates come from a table: see UART_BAUDRATE_115200");

const char board_name[] = "nano33ble";

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
    }
}

// Waits until an event has come; false if that takes too long.
static bool wait_for(volatile uint32_t *event) {
    for (uint32_t turn = 0; turn < TIMEOUT; ++turn) {
        if (*event) {
            return true;
        }
    }
    return false;
}

// The UART needs the crystal's accuracy; the RC oscillator that runs after reset may be 8 % off.
static void start_crystal(void) {
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    (void)wait_for(&CLOCK_EVENTS_HFCLKSTARTED);
}

static void start_serial(void) {
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

void board_init(void) {
    NVMC_ICACHECNF = NVMC_ICACHECNF_CACHEEN; // off after reset, and then every fetch from flash waits
    start_crystal();
    cycle_counter_start();
    start_serial();
}

uint32_t board_clock_hz(void) {
    return CLOCK_HZ;
}

void board_write(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        UART0_EVENTS_TXDRDY = 0;
        UART0_TXD = bytes[i];
        (void)wait_for(&UART0_EVENTS_TXDRDY);
    }
}

uint32_t board_cycles(void) {
    return DWT_CYCCNT;
}
