// Reset, faults and interrupts of nano33ble.
#include "../common/startup.h"
#include "nrf52840.h"

void uart0_interrupt(void);
void pdm_interrupt(void);
void usbd_interrupt(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + NRF_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 + POWER_INTERRUPT] = usbd_interrupt, // the supply of USB comes and goes
    [16 + POWER_INTERRUPT + 1 ... 16 + UART0_INTERRUPT - 1] = startup_fault_entry,
    [16 + UART0_INTERRUPT] = uart0_interrupt,
    [16 + UART0_INTERRUPT + 1 ... 16 + PDM_INTERRUPT - 1] = startup_fault_entry,
    [16 + PDM_INTERRUPT] = pdm_interrupt,
    [16 + PDM_INTERRUPT + 1 ... 16 + USBD_INTERRUPT - 1] = startup_fault_entry,
    [16 + USBD_INTERRUPT] = usbd_interrupt,
    [16 + USBD_INTERRUPT + 1 ... 16 + NRF_INTERRUPTS - 1] = startup_fault_entry,
};
