// Endpoint 0 of USBD: nRF52840 Product Specification, 6.35.9. Carries out what lib/usb decides.
#include <string.h>

#include "nrf52840.h"
#include "usbd_internal.h"

#define RELEASE 0x0010u // 0.1 as binary coded decimals
#define ID_DIGITS 16
#define EP0_ENABLED 1u
#define EPIN_OUT_ENABLED (EP0_ENABLED | 1u << NUMBER(USB_NOTIFY_IN) | 1u << DATA_ENDPOINT)
#define EPOUT_ENABLED (EP0_ENABLED | 1u << DATA_ENDPOINT)

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

// An endpoint's place in DTOGGLE and EPSTALL is that of its address: number, and bit 7 towards the host.
static void halt(uint8_t endpoint, bool on) {
    USBD_EPSTALL = on ? endpoint | USBD_EPSTALL_STALL : endpoint;
    if (on) {
        return;
    }
    USBD_DTOGGLE = endpoint; // selects it, changes nothing
    USBD_DTOGGLE = endpoint | USBD_DTOGGLE_DATA0;
    if (endpoint == USB_DATA_IN) {
        usbd_restart_in();
    } else if (endpoint == USB_DATA_OUT) {
        usbd_restart_out();
    }
}

static void configure(bool on) {
    USBD_EPINEN = on ? EPIN_OUT_ENABLED : EP0_ENABLED;
    USBD_EPOUTEN = on ? EPOUT_ENABLED : EP0_ENABLED;
    if (on) {
        halt(USB_NOTIFY_IN, false);
        halt(USB_DATA_IN, false);
        halt(USB_DATA_OUT, false);
    }
}

void usbd_control_init(void) {
    static const struct usb_identity identity = {
        .vendor = USBD_VENDOR,
        .product = USBD_PRODUCT,
        .release = RELEASE,
        .manufacturer = "tinyscene",
        .name = "Nano 33 BLE",
        .serial = serial,
    };
    const struct usb_hardware hardware = {configure, halt};
    make_serial();
    usb_init(&usbd_device, &identity, &hardware);
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
    case USB_ADDRESS: // 6.35.9: the peripheral has done all of it by itself, and must not be told to
        break;
    }
}

static void set_up(void) {
    uint8_t setup[USB_SETUP_BYTES];
    for (uint32_t i = 0; i < USB_SETUP_BYTES; ++i) {
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
        USBD_EVENTS_EP0DATADONE = 0; // of a transfer that the host has given up
        set_up();
    } else if (usbd_take(&USBD_EVENTS_EP0DATADONE)) {
        data_done();
    }
}
