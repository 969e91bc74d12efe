// Reset, faults and interrupts of stm32l496.
#include "../common/startup.h"
#include "stm32l496.h"

void lpuart1_interrupt(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + STM32_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 ... 16 + LPUART1_INTERRUPT - 1] = startup_fault_entry,
    [16 + LPUART1_INTERRUPT] = lpuart1_interrupt,
    [16 + LPUART1_INTERRUPT + 1 ... 16 + STM32_INTERRUPTS - 1] = startup_fault_entry,
};
