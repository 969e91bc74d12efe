// 80 MHz from the internal oscillator MSI: 4 MHz / 1 * 40 / 2 (RM0351, 6.2.5), with flash and supply made ready first.
#include "clock.h"

#include "stm32l496.h"
#include "wait.h"

#define WAIT_STATES 4u // RM0351, table 12: 64 to 80 MHz in voltage range 1

static bool start_pll(void) {
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_MSI | RCC_PLLCFGR_M(1u) | RCC_PLLCFGR_N(40u) | RCC_PLLCFGR_R(2u) | RCC_PLLCFGR_REN;
    RCC_CR |= RCC_CR_PLLON;
    return wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

// Range 1 is the one after reset, but a boot loader may have saved power.
static bool raise_voltage(void) {
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWR;
    (void)RCC_APB1ENR1; // 6.2.18: two cycles until a peripheral that was switched on answers
    PWR_CR1 = (PWR_CR1 & ~PWR_CR1_VOS) | PWR_CR1_VOS_RANGE1;
    return wait_for(&PWR_SR2, PWR_SR2_VOSF, 0);
}

// 3.3.3: the wait states must be in force before the clock is raised. Caches and prefetch make up for them.
static bool slow_flash_down(void) {
    FLASH_ACR = WAIT_STATES | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    return wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, WAIT_STATES);
}

static bool switch_to(uint32_t source) {
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | source;
    return wait_for(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_OF(source));
}

uint32_t clock_start(void) {
    if (raise_voltage() && slow_flash_down() && start_pll() && switch_to(RCC_CFGR_SW_PLL)) {
        return CLOCK_HZ;
    }
    // the wait states may stay, they only cost time
    if (switch_to(RCC_CFGR_SW_MSI)) {
        RCC_CR &= ~RCC_CR_PLLON;
    }
    return CLOCK_SLOW_HZ;
}
