// What the sources of the USB serial port share among themselves.
#ifndef USBD_INTERNAL_H
#define USBD_INTERNAL_H

#include <stdbool.h>

#include "../common/cortex_m4.h"
#include "usb_device.h"

// 2341:805A is what Arduino gave sketches on this board, and what its tools and ours look for; the boot loader is
// 2341:005A. The only place with these numbers in the firmware.
#define USBD_VENDOR 0x2341u
#define USBD_PRODUCT 0x805Au

#define NUMBER(endpoint) ((endpoint)&0x7Fu)
#define DATA_ENDPOINT NUMBER(USB_DATA_IN) // the same number in both directions

// All of what follows is called with the USB interrupt held back: in its handler, or under interrupts_off().

// usbd_power.c: switches the peripheral on or off as the cable comes and goes; whether the host can see it.
bool usbd_follow_cable(void);
void usbd_leave_bus(void);

// usbd_dma.c: moves one packet, and returns when the memory is free again. One at a time is all that EasyDMA can.
void usbd_dma_in(uint32_t endpoint, const uint8_t *packet, size_t count);
size_t usbd_dma_out(uint32_t endpoint, uint8_t packet[USB_PACKET_BYTES]);

// usbd_control.c
extern struct usb_device usbd_device;
void usbd_control_init(void);
void usbd_control_events(void);

// usbd.c: the data endpoints of one direction begin anew, as when they are switched on or no longer halted.
void usbd_restart_in(void);
void usbd_restart_out(void);

// Whether an event has happened; forgets it.
static inline bool usbd_take(volatile uint32_t *event) {
    bool happened = *event != 0;
    if (happened) {
        *event = 0;
        (void)*event; // 6.1.6: it is gone once it reads as 0, or else the interrupt comes again
    }
    return happened;
}

#endif
