// Registers of Arm's MPS2 board with FPGA image AN386, as QEMU's mps2-an386 has them.
// Numbers: Arm DAI 0386 (memory map, interrupts) and DDI 0479 Cortex-M System Design Kit, 4.2 timer and 4.3 UART.
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

#include "../common/cortex_m4.h"

#define MPS2_CLOCK_HZ 25000000u
#define MPS2_INTERRUPTS 32

#define TIMER0_CTRL REGISTER(0x40000000u)
#define TIMER0_VALUE REGISTER(0x40000004u)
#define TIMER0_RELOAD REGISTER(0x40000008u)
#define TIMER_CTRL_ENABLE (1u << 0)

#define UART0_DATA REGISTER(0x40004000u)
#define UART0_STATE REGISTER(0x40004004u)
#define UART0_CTRL REGISTER(0x40004008u)
#define UART0_INTCLEAR REGISTER(0x4000400Cu)
#define UART0_BAUDDIV REGISTER(0x40004010u)
#define UART_STATE_TX_FULL (1u << 0)
#define UART_STATE_RX_FULL (1u << 1)
#define UART_STATE_RX_OVERRUN (1u << 3)
#define UART_CTRL_TX (1u << 0)
#define UART_CTRL_RX (1u << 1)
#define UART_CTRL_RX_INTERRUPT (1u << 3)
#define UART_INT_RX (1u << 1)
#define UART0_RX_INTERRUPT 0u

// DDI 0479, 4.5
#define WATCHDOG_LOAD REGISTER(0x40008000u)
#define WATCHDOG_CTRL REGISTER(0x40008008u)
#define WATCHDOG_INTCLEAR REGISTER(0x4000800Cu)
#define WATCHDOG_CTRL_INTERRUPT (1u << 0) // also makes it count
#define WATCHDOG_CTRL_RESET (1u << 1)

static inline void timer0_start(void) {
    TIMER0_CTRL = 0;
    TIMER0_RELOAD = 0xFFFFFFFFu;
    TIMER0_VALUE = 0xFFFFFFFFu;
    TIMER0_CTRL = TIMER_CTRL_ENABLE;
}

// Ticks of the 25 MHz clock since timer0_start(); wraps at 2^32. Under `qemu -icount shift=6,align=off,sleep=off` an
// instruction lasts 64 ns, so that instructions = ticks * 5 / 8, the same number on every run.
static inline uint32_t timer0_ticks(void) {
    return 0xFFFFFFFFu - TIMER0_VALUE;
}

// Instructions that `ticks` stand for under `-icount shift=6`.
static inline uint32_t timer0_instructions(uint32_t ticks) {
    return (uint32_t)((uint64_t)ticks * 5u / 8u);
}

#endif
