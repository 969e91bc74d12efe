#include "usb_class.h"

#include <string.h>

#include "usb_descriptors.h"

#define BOOT_LOADER_BAUD 1200u
#define DATA_TERMINAL_READY 1u

static const uint8_t usual_line_coding[USB_LINE_CODING_BYTES] = {0x00, 0xC2, 0x01, 0x00, 0, 0, 8}; // 115200 = 0x1C200

void usb_class_reset(struct usb_device *device) {
    memcpy(device->line_coding, usual_line_coding, sizeof device->line_coding);
    device->terminal_ready = false;
}

static bool is_for_port(const struct usb_device *device, const struct usb_request *request) {
    return device->state == USB_CONFIGURED && request->index == USB_COMMUNICATION_INTERFACE;
}

struct usb_step usb_set_line_coding(struct usb_device *device, const struct usb_request *request) {
    if (!is_for_port(device, request) || request->length != USB_LINE_CODING_BYTES) {
        return usb_refuse();
    }
    device->receiving = true;
    return (struct usb_step){.action = USB_RECEIVE};
}

struct usb_step usb_line_coding_received(struct usb_device *device, const uint8_t *bytes, size_t count) {
    if (count != USB_LINE_CODING_BYTES) {
        return usb_refuse();
    }
    memcpy(device->line_coding, bytes, USB_LINE_CODING_BYTES);
    return usb_accept();
}

struct usb_step usb_get_line_coding(struct usb_device *device, const struct usb_request *request) {
    if (!is_for_port(device, request)) {
        return usb_refuse();
    }
    return usb_answer(device, request, device->line_coding, sizeof device->line_coding);
}

static uint32_t baud(const struct usb_device *device) {
    const uint8_t *coding = device->line_coding;
    return coding[0] | (uint32_t)coding[1] << 8 | (uint32_t)coding[2] << 16 | (uint32_t)coding[3] << 24;
}

struct usb_step usb_set_line_state(struct usb_device *device, const struct usb_request *request) {
    if (!is_for_port(device, request) || request->length != 0) {
        return usb_refuse();
    }
    bool ready = (request->value & DATA_TERMINAL_READY) != 0;
    device->boot_loader_asked |= device->terminal_ready && !ready && baud(device) == BOOT_LOADER_BAUD;
    device->terminal_ready = ready;
    return usb_accept();
}
