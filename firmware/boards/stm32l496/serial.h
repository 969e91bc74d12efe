// The UART that the ST-LINK on a board shows to the host, and its pins.
#ifndef SERIAL_H
#define SERIAL_H

#include "pins.h"
#include "stm32l496.h"

#ifdef DISCO_L496 // ST 32L496GDISCOVERY: UM2160, ST-LINK/V2-1 virtual COM port
#define SERIAL_BOARD "disco_l496"
#define SERIAL_BASE USART2_BASE
#define SERIAL_INTERRUPT USART2_INTERRUPT
#define SERIAL_CYCLES_PER_DIVISOR 1u // 40.5.4: BRR counts cycles
#define SERIAL_CAN_DIVIDE(hz, baud) ((hz) / (baud) >= 16u)
static const struct pin serial_tx = {GPIOA_BASE, 2u, 7u}, serial_rx = {GPIOD_BASE, 6u, 7u};
#else // ST Nucleo-L496ZG: UM2179, 6.13, solder bridges as delivered
#define SERIAL_BOARD "stm32l496"
#define SERIAL_BASE LPUART1_BASE
#define SERIAL_INTERRUPT LPUART1_INTERRUPT
#define SERIAL_CYCLES_PER_DIVISOR 256u // 41.4.4: BRR counts 256ths of a cycle
#define SERIAL_CAN_DIVIDE(hz, baud) ((hz) / (baud) >= 3u && (hz) / (baud) < 4096u)
static const struct pin serial_tx = {GPIOG_BASE, 7u, 8u}, serial_rx = {GPIOG_BASE, 8u, 8u};
#endif

#endif
