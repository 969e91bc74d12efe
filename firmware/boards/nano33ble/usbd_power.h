// Layer 1 of USBD: the peripheral on and off. To be called with the USB interrupt held back: in its handler, or under
// interrupts_off().
#ifndef USBD_POWER_H
#define USBD_POWER_H

enum usbd_presence {
    USBD_ON_BUS,    // the host can see the board
    USBD_OFF_BUS,   // it cannot
    USBD_UNPLUGGED, // it cannot, because the cable was pulled since the last look
};

// Switches the peripheral on or off as the cable comes and goes.
enum usbd_presence usbd_follow_cable(void);

void usbd_leave_bus(void);

#endif
