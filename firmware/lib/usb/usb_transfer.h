// Layer 2 of lib/usb: a control transfer, from the request to the steps that answer it. Private to the library.
#ifndef USB_TRANSFER_H
#define USB_TRANSFER_H

#include "usb_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// What a SETUP packet says: USB 2.0, table 9-2.
struct usb_request {
    uint8_t type, request;
    uint16_t value, index, length;
};

struct usb_step usb_refuse(void);
struct usb_step usb_accept(void);

// The first packet of an answer; `data` stays as it is until the transfer ends.
struct usb_step usb_answer(
    struct usb_device *device, const struct usb_request *request, const uint8_t *data, size_t bytes);

// What follows a packet that the host has acknowledged: the answer's next one, or the status stage.
struct usb_step usb_answer_next(struct usb_device *device);

#ifdef __cplusplus
}
#endif

#endif
