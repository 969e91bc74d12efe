#include "usb_transmit.h"

static uint32_t waiting(const struct usb_transmit *transmit) {
    return transmit->written - transmit->taken;
}

size_t usb_transmit_put(struct usb_transmit *transmit, const uint8_t *bytes, size_t count) {
    size_t put = 0;
    while (put < count && waiting(transmit) < USB_TRANSMIT_BYTES) {
        transmit->bytes[transmit->written++ % USB_TRANSMIT_BYTES] = bytes[put++];
    }
    return put;
}

bool usb_transmit_is_due(const struct usb_transmit *transmit) {
    return waiting(transmit) > 0 || transmit->last_was_full;
}

bool usb_transmit_next(struct usb_transmit *transmit, uint8_t packet[USB_PACKET_BYTES], size_t *count) {
    if (!usb_transmit_is_due(transmit)) {
        return false;
    }
    size_t taken = 0;
    while (taken < USB_PACKET_BYTES && waiting(transmit) > 0) {
        packet[taken++] = transmit->bytes[transmit->taken++ % USB_TRANSMIT_BYTES];
    }
    transmit->last_was_full = taken == USB_PACKET_BYTES;
    *count = taken;
    return true;
}

void usb_transmit_discard(struct usb_transmit *transmit) {
    transmit->dropped += waiting(transmit);
    transmit->taken = transmit->written;
    transmit->last_was_full = false;
}
