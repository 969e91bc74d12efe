// Layer 2 of USBD: endpoint 0. To be called with the USB interrupt held back: in its handler, or under
// interrupts_off().
#ifndef USBD_CONTROL_H
#define USBD_CONTROL_H

#include "usb_device.h"

extern struct usb_device usbd_device;

// As after a reset of the bus; `hardware` is what the device does to its other endpoints.
void usbd_control_init(const struct usb_hardware *hardware);

void usbd_control_events(void);

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
