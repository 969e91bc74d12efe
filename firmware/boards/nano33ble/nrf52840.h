// The registers of the nRF52840 that the firmware uses. Numbers: Nordic, nRF52840 Product Specification 1.7.
#ifndef NRF52840_H
#define NRF52840_H

#include "../common/cortex_m4.h"

#define NRF_INTERRUPTS 48 // 4.2.4 instantiation: an interrupt's number is its peripheral's ID
#define UART0_INTERRUPT 2u

// 4.3 Non-volatile memory controller
#define NVMC_ICACHECNF REGISTER(0x4001E540u)
#define NVMC_ICACHECNF_CACHEEN (1u << 0)

// 5.4 Clock control
#define CLOCK_TASKS_HFCLKSTART REGISTER(0x40000000u)
#define CLOCK_EVENTS_HFCLKSTARTED REGISTER(0x40000100u)

// 6.33 UART (without EasyDMA; six bytes of FIFO)
#define UART0_TASKS_STARTRX REGISTER(0x40002000u)
#define UART0_TASKS_STARTTX REGISTER(0x40002008u)
#define UART0_EVENTS_RXDRDY REGISTER(0x40002108u)
#define UART0_EVENTS_TXDRDY REGISTER(0x4000211Cu)
#define UART0_EVENTS_ERROR REGISTER(0x40002124u)
#define UART0_INTENSET REGISTER(0x40002304u)
#define UART0_ERRORSRC REGISTER(0x40002480u)
#define UART0_ENABLE REGISTER(0x40002500u)
#define UART0_PSEL_TXD REGISTER(0x4000250Cu)
#define UART0_PSEL_RXD REGISTER(0x40002514u)
#define UART0_RXD REGISTER(0x40002518u)
#define UART0_TXD REGISTER(0x4000251Cu)
#define UART0_BAUDRATE REGISTER(0x40002524u)
#define UART_INT_RXDRDY (1u << 2)
#define UART_INT_ERROR (1u << 9)
#define UART_ERRORSRC_OVERRUN (1u << 0)
#define UART_ENABLE_UART 4u
#define UART_BAUDRATE_115200 0x01D7E000u

// 6.9 GPIO
#define GPIO_P1_OUTSET REGISTER(0x50000808u)
#define GPIO_P1_PIN_CNF(pin) REGISTER(0x50000A00u + 4u * (pin))
#define GPIO_PIN_CNF_OUTPUT 3u // output, input buffer off
#define GPIO_PIN_CNF_INPUT_PULL_UP 0xCu
#define GPIO_PORT1(pin) (32u + (pin)) // in a PSEL register

#endif
