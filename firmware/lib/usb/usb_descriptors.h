// Layer 2 of lib/usb: what the device says about itself. Private to the library.
#ifndef USB_DESCRIPTORS_H
#define USB_DESCRIPTORS_H

#include "usb_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { USB_COMMUNICATION_INTERFACE, USB_DATA_INTERFACE, USB_INTERFACES };

// Descriptors by the high byte of GET_DESCRIPTOR's value; NULL if there is none. Strings are made in device->scratch.
const uint8_t *usb_descriptor(struct usb_device *device, uint16_t value, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
