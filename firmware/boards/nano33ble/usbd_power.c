// The USBD peripheral on and off, as the cable comes and goes: nRF52840 Product Specification, 6.35.4.
//
// Which revision of the chip a board has cannot be told from outside, so that what any of them needs is done on all;
// Nordic's remedies are harmless where they are not needed. From nRF52840 Errata, those about USB:
//
//   104, 154  Engineering A only, which no board was ever sold with: nothing is done.
//   166       isochronous endpoints, which are not used: nothing to be done.
//   171       the peripheral may not power up: registers around enabling. Also on leaving its low-power mode, which is
//             never entered here: on a sleeping bus, output is merely dropped.
//   187       the peripheral cannot be enabled: registers around enabling. Revision 3 has it, too.
//   199       no task is received during DMA: see usbd_dma.c.
//   211       it stays suspended for too long after a wake-up that the device requests: it never does.
//   223       it may behave unexpectedly after a reset: it is enabled twice.
#include "usbd_power.h"

#include "nrf52840.h"
#include "wait.h"

#define DISCONNECT_MS 10u // a host notices 2.5 us (USB 2.0, 7.1.7.3), hubs take their time
#define ERRATA_171_POWER_UP 0xC0u
#define ERRATA_187_ENABLE 3u

enum power {
    POWER_OFF,
    POWER_ENABLED, // waits for the regulator
    POWER_ON_BUS,  // the host can see the board
    POWER_FAILED,  // until the cable is pulled
};

static enum power power = POWER_OFF;

static void write_locked(volatile uint32_t *address, uint32_t value) {
    ERRATA_UNLOCK = ERRATA_UNLOCK_KEY;
    *address = value;
    ERRATA_UNLOCK = ERRATA_UNLOCK_KEY; // locks it again
}

static bool enable(void) {
    write_locked(&ERRATA_187, ERRATA_187_ENABLE);
    write_locked(&ERRATA_171, ERRATA_171_POWER_UP);
    USBD_ENABLE = 1;
    bool ready = wait_for(&USBD_EVENTCAUSE, USBD_EVENTCAUSE_READY);
    USBD_EVENTCAUSE = USBD_EVENTCAUSE_READY; // what is written as 1 is cleared
    write_locked(&ERRATA_171, 0);
    write_locked(&ERRATA_187, 0);
    return ready;
}

static void disable(void) {
    USBD_ENABLE = 0;
    (void)USBD_ENABLE;
}

void usbd_leave_bus(void) {
    if (USBD_ENABLE) { // otherwise its registers cannot be used
        USBD_USBPULLUP = 0;
        wait_ms(DISCONNECT_MS);
        disable();
    }
    power = POWER_OFF;
}

static void switch_on(void) {
    usbd_leave_bus(); // the boot loader may have left it on
    (void)enable();
    disable();
    if (!enable()) {
        disable();
        power = POWER_FAILED;
        return;
    }
    USBD_INTENSET = USBD_INT_USBRESET | USBD_INT_EP0DATADONE | USBD_INT_USBEVENT | USBD_INT_EP0SETUP | USBD_INT_EPDATA;
    power = POWER_ENABLED;
}

static void switch_off(void) {
    disable(); // no other register: they went with the supply
    power = POWER_OFF;
}

enum usbd_presence usbd_follow_cable(void) {
    POWER_EVENTS_USBDETECTED = 0;
    POWER_EVENTS_USBREMOVED = 0;
    POWER_EVENTS_USBPWRRDY = 0;
    (void)POWER_EVENTS_USBPWRRDY;
    // not the events: those of a cable that was there before the reset have gone by
    uint32_t supply = POWER_USBREGSTATUS;
    bool cable = (supply & POWER_USBREGSTATUS_VBUSDETECT) != 0;
    if (cable && power == POWER_OFF) {
        switch_on();
    } else if (!cable && power != POWER_OFF) {
        switch_off();
        return USBD_UNPLUGGED;
    }
    if (power == POWER_ENABLED && (supply & POWER_USBREGSTATUS_OUTPUTRDY) != 0) {
        USBD_USBPULLUP = 1; // the crystal, which the bus needs, has been running since board_init()
        power = POWER_ON_BUS;
    }
    return power == POWER_ON_BUS ? USBD_ON_BUS : USBD_OFF_BUS;
}
