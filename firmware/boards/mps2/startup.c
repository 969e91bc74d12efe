// Reset, faults and interrupts of mps2. With linker.ld and semihost.c it also makes test images: see semihost.h.
#include "../common/startup.h"
#include "mps2.h"

void uart0_receive_interrupt(void);
__attribute__((weak, alias("startup_fault_entry"))) void uart0_receive_interrupt(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + MPS2_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 + UART0_RX_INTERRUPT] = uart0_receive_interrupt,
    [16 + UART0_RX_INTERRUPT + 1 ... 16 + MPS2_INTERRUPTS - 1] = startup_fault_entry,
};
