// Layer 3 of lib/usb: the serial port's own requests, PSTN 1.2, 6.3. Private to the library.
#ifndef USB_CLASS_H
#define USB_CLASS_H

#include "usb_transfer.h"

#ifdef __cplusplus
extern "C" {
#endif

// 115200 baud, no parity, one stop bit, 8 bits; DTR off.
void usb_class_reset(struct usb_device *device);

struct usb_step usb_set_line_coding(struct usb_device *device, const struct usb_request *request);
struct usb_step usb_get_line_coding(struct usb_device *device, const struct usb_request *request);
struct usb_step usb_set_line_state(struct usb_device *device, const struct usb_request *request);

// The data stage of usb_set_line_coding().
struct usb_step usb_line_coding_received(struct usb_device *device, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
