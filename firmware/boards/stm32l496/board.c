// board.h for ST's Nucleo-L496ZG: 80 MHz, and LPUART1, which its ST-LINK shows to the host as a serial port.
#include "../board.h"

#include <stdbool.h>

#include "../common/receive.h"
#include "../common/watchdog.h"
#include "stm32l496.h"

#define MSI_HZ 4000000u // after reset: RM0351, 6.2.3
#define PLL_HZ 80000000u
#define PLL_WAIT_STATES 4u // RM0351, table 12: 64 to 80 MHz in voltage range 1
#define TX_PIN 7u          // PG7 and PG8: UM2179, 6.13 (solder bridges as delivered)
#define RX_PIN 8u
#define LPUART1_ALTERNATE 8u // STM32L496 data sheet, table 17
#define TIMEOUT 100000u // turns of a waiting loop: at least 20 ms at any clock; what we wait for takes 1 ms at most

const char board_name[] = "stm32l496";

static uint32_t clock_hz = MSI_HZ;

void lpuart1_interrupt(void);

void lpuart1_interrupt(void) {
    uint32_t state = LPUART1_ISR;
    if (state & LPUART_ISR_ORE) {
        LPUART1_ICR = LPUART_ISR_ORE;
        receive_lost();
    }
    if (state & LPUART_ISR_RXNE) {
        receive_byte((uint8_t)LPUART1_RDR);
    }
}

// Waits until the bits of `mask` are `value`; false if that takes too long.
static bool wait_for(volatile uint32_t *address, uint32_t mask, uint32_t value) {
    for (uint32_t turn = 0; turn < TIMEOUT; ++turn) {
        if ((*address & mask) == value) {
            return true;
        }
    }
    return false;
}

// 4 MHz / 1 * 40 / 2: RM0351, 6.2.5. Voltage range 1 is the one after reset.
static bool start_pll(void) {
    if (!wait_for(&PWR_SR2, PWR_SR2_VOSF, 0)) {
        return false;
    }
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_MSI | RCC_PLLCFGR_M(1u) | RCC_PLLCFGR_N(40u) | RCC_PLLCFGR_R(2u) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    FLASH_ACR = PLL_WAIT_STATES | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    if (!wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) || !wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, PLL_WAIT_STATES)) {
        return false;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL;
    return wait_for(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

static void start_clock(void) {
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWR;
    if (start_pll()) {
        clock_hz = PLL_HZ;
    } else {
        // back to what runs after reset; the wait states may stay, they only cost time
        RCC_CFGR &= ~RCC_CFGR_SW;
        RCC_CR &= ~RCC_CR_PLLON;
    }
}

static void set_field(volatile uint32_t *address, uint32_t bits, uint32_t place, uint32_t value) {
    uint32_t mask = ((1u << bits) - 1u) << (bits * place);
    *address = (*address & ~mask) | value << (bits * place);
}

static void start_serial(void) {
    PWR_CR2 |= PWR_CR2_IOSV; // PG2 to PG15 are supplied by VDDIO2, which is off after reset
    RCC_AHB2ENR |= RCC_AHB2ENR_GPIOG;
    RCC_APB1ENR2 |= RCC_APB1ENR2_LPUART1;
    (void)RCC_APB1ENR2; // 6.2.18: two cycles until a peripheral that was switched on answers
    set_field(&GPIOG_AFRL, 4, TX_PIN, LPUART1_ALTERNATE);
    set_field(&GPIOG_AFRH, 4, RX_PIN - 8u, LPUART1_ALTERNATE);
    set_field(&GPIOG_PUPDR, 2, RX_PIN, GPIO_PULL_UP);
    set_field(&GPIOG_MODER, 2, TX_PIN, GPIO_MODE_ALTERNATE);
    set_field(&GPIOG_MODER, 2, RX_PIN, GPIO_MODE_ALTERNATE);
    LPUART1_BRR = (uint32_t)((256ull * clock_hz + BOARD_BAUD / 2u) / BOARD_BAUD); // 41.4.4
    LPUART1_CR1 = LPUART_CR1_UE | LPUART_CR1_TE | LPUART_CR1_RE | LPUART_CR1_RXNEIE;
    interrupt_enable(LPUART1_INTERRUPT);
}

void board_init(void) {
    start_clock();
    cycle_counter_start();
    start_serial();
    watchdog_start(clock_hz);
}

uint32_t board_intended_clock_hz(void) {
    return PLL_HZ;
}

uint32_t board_clock_hz(void) {
    return clock_hz;
}

void board_write(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        (void)wait_for(&LPUART1_ISR, LPUART_ISR_TXE, LPUART_ISR_TXE);
        LPUART1_TDR = bytes[i];
    }
    (void)wait_for(&LPUART1_ISR, LPUART_ISR_TC, LPUART_ISR_TC);
}

uint32_t board_cycles(void) {
    return DWT_CYCCNT;
}
