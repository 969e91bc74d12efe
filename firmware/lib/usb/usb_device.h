// Layer 4 of lib/usb, the top: endpoint 0 of a USB device that is one serial port (CDC-ACM), from SETUP packets to what
// the hardware must do next.
//
// Knows no registers: a board's driver gives it what arrives, carries out the step that it returns, and tells it when
// that is done. Numbers: Universal Serial Bus Specification 2.0, chapter 9; USB CDC 1.2, PSTN subclass 1.2.
//
// Files, each calling only those before it: usb_types.h; usb_transfer.c (a control transfer's steps), usb_descriptors.c
// (what the device says about itself); usb_class.c (the serial port's own requests); usb_device.c (standard requests).
// Beside them, on usb_types.h alone: usb_transmit.c (bytes on their way to the host).
#ifndef USB_DEVICE_H
#define USB_DEVICE_H

#include "usb_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// Identity must outlive the device. The state is that after a bus reset.
void usb_init(struct usb_device *device, const struct usb_identity *identity, const struct usb_hardware *hardware);

// The host has reset the bus, or the cable was pulled.
void usb_bus_reset(struct usb_device *device);

// A SETUP packet has come; a transfer that was under way is over.
struct usb_step usb_setup(struct usb_device *device, const uint8_t packet[USB_SETUP_BYTES]);

// The host has acknowledged the packet of the last USB_SEND.
struct usb_step usb_sent(struct usb_device *device);

// A packet has come after USB_RECEIVE.
struct usb_step usb_received(struct usb_device *device, const uint8_t *bytes, size_t count);

// Whether a program on the host has opened the serial port.
bool usb_is_open(const struct usb_device *device);

#ifdef __cplusplus
}
#endif

#endif
