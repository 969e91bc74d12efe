// The UART on the header pins D1/TX and D0/RX, 3.3 V, BOARD_BAUD.
#ifndef UART_H
#define UART_H

#include <stddef.h>
#include <stdint.h>

// The crystal must run.
void uart_init(void);

// Waits for the line. Needs no interrupts.
void uart_write(const uint8_t *bytes, size_t count);

#endif
