// Endpoint 0 of USBD: nRF52840 Product Specification, 6.35.9. Carries out what lib/usb decides.
#include "usbd_control.h"

#include <string.h>

#include "nrf52840.h"
#include "usbd_dma.h"

// 2341:805A is what Arduino gave sketches on this board, and what its tools and ours look for; the boot loader is
// 2341:005A. The only place with these numbers in the firmware.
#define VENDOR 0x2341u
#define PRODUCT 0x805Au
#define RELEASE 0x0010u // 0.1 as binary coded decimals
#define ID_DIGITS 16

struct usb_device usbd_device;

static uint8_t packet[USB_PACKET_BYTES]; // EasyDMA reaches RAM only, and descriptors are in flash
static char serial[ID_DIGITS + 1];

// As Arduino's sketches give it; its boot loader puts zeros before it.
static void make_serial(void) {
    char *digit = serial;
    for (uint32_t word = 2; word-- > 0;) {
        uint32_t id = FICR_DEVICEID(word);
        for (int shift = 28; shift >= 0; shift -= 4) {
            *digit++ = "0123456789ABCDEF"[(id >> shift) & 15u];
        }
    }
}

void usbd_control_init(const struct usb_hardware *hardware) {
    static const struct usb_identity identity = {
        .vendor = VENDOR,
        .product = PRODUCT,
        .release = RELEASE,
        .manufacturer = "tinyscene",
        .name = "Nano 33 BLE",
        .serial = serial,
    };
    make_serial();
    usb_init(&usbd_device, &identity, hardware);
}

static void carry_out(struct usb_step step) {
    switch (step.action) {
    case USB_STALL:
        USBD_TASKS_EP0STALL = 1;
        break;
    case USB_SEND:
        memcpy(packet, step.packet, step.bytes);
        usbd_dma_in(0, packet, step.bytes);
        break;
    case USB_RECEIVE:
        USBD_TASKS_EP0RCVOUT = 1;
        break;
    case USB_STATUS:
        USBD_TASKS_EP0STATUS = 1;
        break;
    case USB_ADDRESS: // 6.35.9: the peripheral has done it all by itself, and must not be triggered
        break;
    }
}

static void set_up(void) {
    uint8_t setup[USB_SETUP_BYTES];
    for (uint32_t i = 0; i < USB_SETUP_BYTES; i++) {
        setup[i] = (uint8_t)USBD_SETUP(i);
    }
    carry_out(usb_setup(&usbd_device, setup));
}

static void data_done(void) {
    if (usbd_device.receiving) {
        size_t count = usbd_dma_out(0, packet);
        carry_out(usb_received(&usbd_device, packet, count));
    } else {
        carry_out(usb_sent(&usbd_device));
    }
}

static void bus_event(void) {
    uint32_t cause = USBD_EVENTCAUSE;
    USBD_EVENTCAUSE = cause; // what is written as 1 is cleared
    if (cause & USBD_EVENTCAUSE_SUSPEND) {
        usbd_device.suspended = true;
    }
    if (cause & USBD_EVENTCAUSE_RESUME) {
        usbd_device.suspended = false;
    }
}

void usbd_control_events(void) {
    if (usbd_take(&USBD_EVENTS_USBRESET)) {
        usb_bus_reset(&usbd_device);
    }
    if (usbd_take(&USBD_EVENTS_USBEVENT)) {
        bus_event();
    }
    if (usbd_take(&USBD_EVENTS_EP0SETUP)) {
        USBD_EVENTS_EP0DATADONE = 0; // the event of a transfer that the host has given up
        set_up();
    } else if (usbd_take(&USBD_EVENTS_EP0DATADONE)) {
        data_done();
    }
}
