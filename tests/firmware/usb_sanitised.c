// Random hosts for lib/usb, to be run under sanitizers by tests/firmware/test_usb.py. Ends with 1 where a step breaks
// what usb_device.h promises.
#include <stdlib.h>
#include <string.h>

#include "usb_device.h"
#include "usb_transmit.h"

enum { ROUNDS = 1000000 };

static uint32_t state = 1;

// Marsaglia's xorshift32.
static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static void configure(bool on) {
    (void)on;
}

static void halt(uint8_t endpoint, bool on) {
    (void)on;
    if (endpoint != USB_NOTIFY_IN && endpoint != USB_DATA_IN && endpoint != USB_DATA_OUT) {
        exit(1);
    }
}

// Fields near those of real requests, as wholly random ones are nearly all refused.
static void draw_setup(uint8_t packet[USB_SETUP_BYTES]) {
    static const uint8_t types[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x21, 0xA1};
    for (size_t i = 0; i < USB_SETUP_BYTES; i++) {
        packet[i] = (uint8_t)draw(draw(4) ? 8 : 256);
    }
    packet[0] = draw(8) ? types[draw(sizeof types)] : packet[0];
    packet[1] = (uint8_t)(draw(3) ? draw(13) : 0x20 + draw(4));
}

static void take(struct usb_step step) {
    uint8_t packet[USB_PACKET_BYTES];
    if (step.action == USB_SEND) {
        if (step.bytes > sizeof packet) {
            exit(1);
        }
        memcpy(packet, step.packet, step.bytes);
    }
}

int main(void) {
    const struct usb_identity identity = {1, 2, 3, "",
        "a name that is longer than a string can be, by more than a few "
        "characters, so that it is cut",
        "s"};
    const struct usb_hardware hardware = {configure, halt};
    static struct usb_device device;
    static struct usb_transmit transmit;
    usb_init(&device, &identity, &hardware);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint8_t packet[256] = {0};
        size_t count = 0;
        switch (draw(round % 1000 == 0 ? 6 : 5)) {
        case 0:
            draw_setup(packet);
            take(usb_setup(&device, packet));
            break;
        case 1:
            take(usb_sent(&device));
            break;
        case 2:
            take(usb_received(&device, packet, draw(USB_PACKET_BYTES + 1)));
            break;
        case 3:
            (void)usb_transmit_put(&transmit, packet, draw(sizeof packet + 1));
            break;
        case 4:
            (void)usb_transmit_next(&transmit, packet, &count);
            break;
        default:
            usb_bus_reset(&device);
            usb_transmit_discard(&transmit);
        }
    }
    return 0;
}
