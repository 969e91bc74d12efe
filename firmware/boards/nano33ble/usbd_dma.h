// Layer 1 of USBD: packets between RAM and the peripheral. To be called with the USB interrupt held back: in its
// handler, or under interrupts_off().
#ifndef USBD_DMA_H
#define USBD_DMA_H

#include <stddef.h>
#include <stdint.h>

#include "usb_types.h"

// Each moves one packet, and returns when the memory is free again. One at a time is all that EasyDMA can do.
void usbd_dma_in(uint32_t endpoint, const uint8_t *packet, size_t count);
size_t usbd_dma_out(uint32_t endpoint, uint8_t packet[USB_PACKET_BYTES]);

#endif
