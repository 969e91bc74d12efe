// Packets between RAM and the USBD peripheral: nRF52840 Product Specification, 6.35.8 EasyDMA.
//
// The processor waits for each transfer, some microseconds, so that there is never a second one, and no task is
// triggered during one: that is what anomaly 199 (revisions 1 to 3) is about, "USBD cannot receive tasks during DMA".
// Its remedy is a register all the same, and costs nothing.
#include "usbd_dma.h"

#include "nrf52840.h"
#include "wait.h"

#define ERRATA_199_DURING_DMA 0x82u

static void transfer(volatile uint32_t *task, volatile uint32_t *end) {
    *end = 0;
    ERRATA_199 = ERRATA_199_DURING_DMA;
    __asm volatile("dsb" ::: "memory"); // the packet is in RAM before the peripheral looks
    *task = 1;
    (void)wait_for(end, 1);
    *end = 0;
    ERRATA_199 = 0;
    __asm volatile("dsb" ::: "memory");
}

void usbd_dma_in(uint32_t endpoint, const uint8_t *packet, size_t count) {
    USBD_EPIN_PTR(endpoint) = (uint32_t)packet;
    USBD_EPIN_MAXCNT(endpoint) = (uint32_t)count;
    transfer(&USBD_TASKS_STARTEPIN(endpoint), &USBD_EVENTS_ENDEPIN(endpoint));
}

size_t usbd_dma_out(uint32_t endpoint, uint8_t packet[USB_PACKET_BYTES]) {
    uint32_t count = USBD_SIZE_EPOUT(endpoint);
    if (count > USB_PACKET_BYTES) {
        return 0; // cannot be, at full speed
    }
    USBD_EPOUT_PTR(endpoint) = (uint32_t)packet;
    USBD_EPOUT_MAXCNT(endpoint) = count;
    transfer(&USBD_TASKS_STARTEPOUT(endpoint), &USBD_EVENTS_ENDEPOUT(endpoint));
    return count;
}
