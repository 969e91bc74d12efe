// Reset, faults and interrupts of stm32l496 and disco_l496.
#include "../common/startup.h"
#include "serial.h"

void serial_interrupt(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + STM32_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 ... 16 + SERIAL_INTERRUPT - 1] = startup_fault_entry,
    [16 + SERIAL_INTERRUPT] = serial_interrupt,
    [16 + SERIAL_INTERRUPT + 1 ... 16 + STM32_INTERRUPTS - 1] = startup_fault_entry,
};
