// Layer 2 of lib/usb: bytes on their way to the host, in a ring buffer that is cut into packets.
//
// Not safe between interrupt and main loop: a caller in one of them must lock out the other.
#ifndef USB_TRANSMIT_H
#define USB_TRANSMIT_H

#include "usb_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USB_TRANSMIT_BYTES 2048u // a power of two, and room for the largest frame

// State. Fields are private but for `dropped`. All zero: nothing to send.
struct usb_transmit {
    uint8_t bytes[USB_TRANSMIT_BYTES];
    uint32_t written, taken; // bytes ever, modulo 2^32
    bool last_was_full;
    uint32_t dropped; // bytes that the host never saw, to be read with a debugger
};

// Takes as many bytes as there is room for, and returns how many.
size_t usb_transmit_put(struct usb_transmit *transmit, const uint8_t *bytes, size_t count);

// Takes the next packet out; false if there is none. An empty one follows a full one that nothing follows: without it a
// host would wait for the rest.
bool usb_transmit_next(struct usb_transmit *transmit, uint8_t packet[USB_PACKET_BYTES], size_t *count);

// Whether usb_transmit_next() would give a packet.
bool usb_transmit_is_due(const struct usb_transmit *transmit);

// The port is closed: forgets what was not taken.
void usb_transmit_discard(struct usb_transmit *transmit);

#ifdef __cplusplus
}
#endif

#endif
