// The independent watchdog of the STM32L496, and the cause of its last reset.
#include "../common/watchdog.h"

#include "../board.h"
#include "stm32l496.h"

#define LSI_HIGHEST_HZ 34000u // data sheet, table 69; nominally 32 kHz, so that the time is up to 15 % longer
#define PRESCALER 256u
#define RELOAD (WATCHDOG_HARDWARE_SECONDS * LSI_HIGHEST_HZ / PRESCALER)

_Static_assert(RELOAD <= 0xFFFu, "the counter has 12 bits");

void watchdog_hardware_start(void) {
    DBGMCU_APB1FZR1 |= DBGMCU_IWDG_STOP; // it stands still under a debugger, as while flash is written
    IWDG_KR = IWDG_KR_START;             // starts LSI too
    IWDG_KR = IWDG_KR_UNLOCK;
    IWDG_PR = IWDG_PR_256;
    IWDG_RLR = RELOAD;
    // no waiting for IWDG_SR: the registers take over within 5 cycles of LSI / 256, 50 ms, and are not written again
    watchdog_hardware_feed();
}

void watchdog_hardware_feed(void) {
    IWDG_KR = IWDG_KR_RELOAD;
}

enum reset_cause board_reset_cause(void) {
    uint32_t flags = RCC_CSR;
    RCC_CSR = flags | RCC_CSR_RMVF; // else they add up
    // the pin is pulled by every reset of the chip itself, so that it counts only where nothing else does
    return flags & RCC_CSR_IWDGRSTF  ? RESET_WATCHDOG
           : flags & RCC_CSR_SFTRSTF ? RESET_SOFTWARE
           : flags & RCC_CSR_BORRSTF ? RESET_POWER
           : flags & RCC_CSR_OTHERS  ? RESET_OTHER
           : flags & RCC_CSR_PINRSTF ? RESET_PIN
                                     : RESET_UNKNOWN;
}
