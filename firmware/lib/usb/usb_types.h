// Layer 1 of lib/usb, below all others: the types that they share.
#ifndef USB_TYPES_H
#define USB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define USB_PACKET_BYTES 64u // the largest packet of endpoint 0 and of the bulk endpoints, at full speed
#define USB_SETUP_BYTES 8u
#define USB_STRING_LENGTH 63u // characters of the longest string; what is beyond is cut off
#define USB_LINE_CODING_BYTES 7u

// Endpoints by their addresses; bit 7: towards the host.
#define USB_NOTIFY_IN 0x81u
#define USB_DATA_IN 0x82u
#define USB_DATA_OUT 0x02u

// What the device says it is. Strings are ASCII.
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
    uint32_t halted;        // a bit for each endpoint
    const uint8_t *data;    // rest of the data stage, not sent yet
    size_t data_bytes;
    bool empty_packet_due; // the host expects more than there is, and the last packet is not a short one
    bool receiving;        // to be read: a line coding is to come
    bool terminal_ready;   // DTR
    uint8_t line_coding[USB_LINE_CODING_BYTES];
    uint8_t scratch[2u + 2u * USB_STRING_LENGTH]; // answers that are made when they are asked for
};

#ifdef __cplusplus
}
#endif

#endif
