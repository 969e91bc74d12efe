// Endpoint 0 of a USB device that is one serial port (CDC-ACM): from SETUP packets to what the hardware must do next.
//
// Knows no registers: a board's driver gives it what arrives, carries out the step that it returns, and tells it when
// that is done. Numbers: Universal Serial Bus Specification 2.0, chapter 9; USB CDC 1.2, PSTN subclass 1.2.
//
// Files: usb_device.c (transfers and standard requests), usb_class.c (the serial port's own requests),
// usb_descriptors.c (what the device says of itself), usb_transmit.c (bytes on their way to the host).
#ifndef USB_DEVICE_H
#define USB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USB_PACKET_BYTES 64u // the largest packet of endpoint 0 and of the bulk endpoints, at full speed
#define USB_SETUP_BYTES 8u
#define USB_STRING_LENGTH 63u // characters of the longest string; what is beyond is cut off
#define USB_LINE_CODING_BYTES 7u

// Endpoints by their addresses; bit 7: towards the host.
#define USB_NOTIFY_IN 0x81u
#define USB_DATA_IN 0x82u
#define USB_DATA_OUT 0x02u

// Who the device is. Strings are ASCII.
struct usb_identity {
    uint16_t vendor, product, release; // release in binary coded decimals
    const char *manufacturer, *name, *serial;
};

// What the hardware must be able to do, called from usb_bus_reset(), usb_setup().
struct usb_hardware {
    // Switches all endpoints but 0 on, none of them halted, their next packets DATA0; or off.
    void (*configure)(bool on);
    // Makes an endpoint answer STALL, or work again with DATA0 next.
    void (*halt)(uint8_t endpoint, bool on);
};

enum usb_state {
    USB_DEFAULT,    // after a bus reset
    USB_ADDRESSED,  // has an address
    USB_CONFIGURED, // works
};

// What to do next on endpoint 0.
enum usb_action {
    USB_STALL,   // refuse the request
    USB_SEND,    // send the packet; call usb_sent() when the host has acknowledged it
    USB_RECEIVE, // take a packet; call usb_received() with it
    USB_STATUS,  // end the transfer with the status stage
    USB_ADDRESS, // as USB_STATUS, then answer to `address`; for hardware that does not do both by itself
};

struct usb_step {
    enum usb_action action;
    const uint8_t *packet; // USB_SEND: in RAM or in flash, valid until the next call
    size_t bytes;
};

// State. Fields are private unless they say otherwise.
struct usb_device {
    const struct usb_identity *identity;
    struct usb_hardware hardware;
    enum usb_state state;   // to be read
    uint8_t address;        // to be read, after USB_ADDRESS
    bool suspended;         // to be set and cleared by the driver
    bool boot_loader_asked; // to be read: the port was closed at 1200 baud, Arduino's sign for "be flashed"
    uint32_t halted;        // a bit an endpoint
    const uint8_t *data;    // of the data stage, not sent yet
    size_t data_bytes;
    bool empty_packet_due; // the host expects more than there is, and the last packet is not a short one
    bool receiving;        // a line coding is to come
    bool terminal_ready;   // DTR
    uint8_t line_coding[USB_LINE_CODING_BYTES];
    uint8_t scratch[2u + 2u * USB_STRING_LENGTH]; // answers that are made when they are asked for
};

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

#endif
