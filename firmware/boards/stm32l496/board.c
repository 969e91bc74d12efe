// board.h for ST's boards with an STM32L496: 80 MHz, and the UART that their ST-LINK shows to the host as a serial
// port.
#include "../board.h"

#include <stdbool.h>

#include "../common/receive.h"
#include "../common/watchdog.h"
#include "clock.h"
#include "serial.h"
#include "wait.h"

// At 4 MHz the interrupt has 347 cycles for a byte at this rate, and could not keep up with a much higher one.
#define SLOW_CLOCK_BAUD (BOARD_BAUD < 115200u ? BOARD_BAUD : 115200u)

_Static_assert(SERIAL_CAN_DIVIDE(CLOCK_HZ, BOARD_BAUD) && SERIAL_CAN_DIVIDE(CLOCK_SLOW_HZ, SLOW_CLOCK_BAUD),
    "platformio.ini: this UART cannot have monitor_speed symbols a second; choose one of 38400 to 2000000");

const char board_name[] = SERIAL_BOARD;
#ifndef DISCO_L496 // which has one: dfsdm.c
const struct microphone *const board_microphone = NULL;
#endif

static uint32_t clock_hz = CLOCK_SLOW_HZ;

void serial_interrupt(void);

void serial_interrupt(void) {
    uint32_t state = UART_ISR(SERIAL_BASE);
    if (state & UART_ISR_ORE) {
        UART_ICR(SERIAL_BASE) = UART_ISR_ORE;
        receive_lost();
    }
    if (state & UART_ISR_RXNE) {
        receive_byte((uint8_t)UART_RDR(SERIAL_BASE));
    }
}

static void start_serial(void) {
    PWR_CR2 |= PWR_CR2_IOSV; // PG2 to PG15 are supplied by VDDIO2, which is off after reset
    RCC_APB1ENR1 |= SERIAL_BASE == USART2_BASE ? RCC_APB1ENR1_USART2 : 0;
    RCC_APB1ENR2 |= SERIAL_BASE == LPUART1_BASE ? RCC_APB1ENR2_LPUART1 : 0;
    pin_connect(&serial_tx);
    pin_connect(&serial_rx);
    const uint32_t baud = clock_hz == CLOCK_HZ ? BOARD_BAUD : SLOW_CLOCK_BAUD;
    UART_BRR(SERIAL_BASE) = (uint32_t)(((uint64_t)SERIAL_CYCLES_PER_DIVISOR * clock_hz + baud / 2u) / baud);
    UART_CR1(SERIAL_BASE) = UART_CR1_UE | UART_CR1_TE | UART_CR1_RE | UART_CR1_RXNEIE;
    interrupt_enable(SERIAL_INTERRUPT);
}

void board_init(void) {
    clock_hz = clock_start();
    cycle_counter_start();
    start_serial();
    watchdog_start(clock_hz);
}

uint32_t board_intended_clock_hz(void) {
    return CLOCK_HZ;
}

uint32_t board_clock_hz(void) {
    return clock_hz;
}

void board_write(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        (void)wait_for(&UART_ISR(SERIAL_BASE), UART_ISR_TXE, UART_ISR_TXE);
        UART_TDR(SERIAL_BASE) = bytes[i];
    }
    (void)wait_for(&UART_ISR(SERIAL_BASE), UART_ISR_TC, UART_ISR_TC);
}

uint32_t board_cycles(void) {
    return DWT_CYCCNT;
}
