#include "usb_transfer.h"

struct usb_step usb_refuse(void) {
    return (struct usb_step){.action = USB_STALL};
}

struct usb_step usb_accept(void) {
    return (struct usb_step){.action = USB_STATUS};
}

static struct usb_step next_packet(struct usb_device *device) {
    size_t bytes = device->data_bytes < USB_PACKET_BYTES ? device->data_bytes : USB_PACKET_BYTES;
    const struct usb_step step = {.action = USB_SEND, .packet = device->data, .bytes = bytes};
    if (bytes == 0) {
        device->empty_packet_due = false;
    } else {
        device->data += bytes;
        device->data_bytes -= bytes;
    }
    return step;
}

struct usb_step usb_answer(
    struct usb_device *device, const struct usb_request *request, const uint8_t *data, size_t bytes) {
    if (request->length == 0) {
        return usb_accept(); // 9.4.3: no data stage
    }
    device->data = data;
    device->data_bytes = bytes < request->length ? bytes : request->length;
    // 5.5.3: an answer that is shorter than requested ends with a packet that is not full, if need be an empty one
    device->empty_packet_due = bytes < request->length && bytes % USB_PACKET_BYTES == 0;
    return next_packet(device);
}

struct usb_step usb_answer_next(struct usb_device *device) {
    return device->data_bytes > 0 || device->empty_packet_due ? next_packet(device) : usb_accept();
}
