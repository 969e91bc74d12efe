// Reset, faults and interrupts of mps2. With common/startup_common.c, linker.ld and semihost.c it also makes test
// images: see semihost.h.
#include "../common/startup.h"
#include "mps2.h"

void uart0_receive_interrupt(void); // board.c's; where there is none, linker.ld makes it a fault

__attribute__((section(".vectors"), used)) static const vector vectors[16 + MPS2_INTERRUPTS] = {
    STARTUP_CORE_VECTORS,
    [16 + UART0_RX_INTERRUPT] = uart0_receive_interrupt,
    [16 + UART0_RX_INTERRUPT + 1 ... 16 + MPS2_INTERRUPTS - 1] = startup_fault_entry,
};
