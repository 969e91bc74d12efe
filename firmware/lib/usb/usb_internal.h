// What the sources of lib/usb share among themselves.
#ifndef USB_INTERNAL_H
#define USB_INTERNAL_H

#include "usb_device.h"

// bmRequestType, USB 2.0, table 9-2.
#define USB_TO_HOST 0x80u
#define USB_CLASS 0x20u
#define USB_OF_DEVICE 0u
#define USB_OF_INTERFACE 1u
#define USB_OF_ENDPOINT 2u

enum { USB_COMMUNICATION_INTERFACE, USB_DATA_INTERFACE, USB_INTERFACES };

struct usb_request {
    uint8_t type, request;
    uint16_t value, index, length;
};

typedef struct usb_step (*usb_handler)(struct usb_device *device, const struct usb_request *request);

// Descriptors by the high byte of GET_DESCRIPTOR's value; NULL if there is none. Strings are made in device->scratch.
const uint8_t *usb_descriptor(struct usb_device *device, uint16_t value, size_t *bytes);

struct usb_step usb_refuse(void);
struct usb_step usb_accept(void);

// The first packet of an answer; `data` stays as it is until the transfer ends.
struct usb_step usb_answer(
    struct usb_device *device, const struct usb_request *request, const uint8_t *data, size_t bytes);

// PSTN 1.2, 6.3
struct usb_step usb_set_line_coding(struct usb_device *device, const struct usb_request *request);
struct usb_step usb_get_line_coding(struct usb_device *device, const struct usb_request *request);
struct usb_step usb_set_line_state(struct usb_device *device, const struct usb_request *request);

// 115200 baud, no parity, one stop bit, 8 bits; DTR off.
void usb_class_reset(struct usb_device *device);

#endif
