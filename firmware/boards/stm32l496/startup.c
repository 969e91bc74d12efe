// Reset, faults and interrupts of stm32l496 and disco_l496.
#include "../common/startup.h"
#include "serial.h"

void serial_interrupt(void);

#ifdef DISCO_L496
void dfsdm_interrupt(void);
#define DMA1_CHANNEL4_HANDLER dfsdm_interrupt
#else
#define DMA1_CHANNEL4_HANDLER startup_fault_entry
#endif

__attribute__((section(".vectors"), used)) static const vector vectors[16 + STM32_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 ... 16 + DMA1_CHANNEL4_INTERRUPT - 1] = startup_fault_entry,
    [16 + DMA1_CHANNEL4_INTERRUPT] = DMA1_CHANNEL4_HANDLER,
    [16 + DMA1_CHANNEL4_INTERRUPT + 1 ... 16 + SERIAL_INTERRUPT - 1] = startup_fault_entry,
    [16 + SERIAL_INTERRUPT] = serial_interrupt,
    [16 + SERIAL_INTERRUPT + 1 ... 16 + STM32_INTERRUPTS - 1] = startup_fault_entry,
};
