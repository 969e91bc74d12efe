#include "usb_descriptors.h"

#include <string.h>

// Both bytes of a 16-bit field.
#define WORD(value) (uint8_t)((value)&0xFFu), (uint8_t)((value) >> 8)

enum { DEVICE = 1, CONFIGURATION, STRING, INTERFACE, ENDPOINT, CLASS_INTERFACE = 0x24 };
enum { LANGUAGES, MANUFACTURER, NAME, SERIAL };
enum { INTERRUPT_TRANSFERS = 3, BULK_TRANSFERS = 2 };
enum { COMMUNICATION_CLASS = 2, DATA_CLASS = 10, ABSTRACT_CONTROL_MODEL = 2 };
enum { DEVICE_BYTES = 18, CONFIGURATION_BYTES = 67 };

#define ENGLISH_US 0x0409u
#define POWERED_BY_BUS 0x80u
#define CURRENT_2_MA 250u // 500 mA: the board has sensors and pins that the firmware does not know
#define NOTIFY_BYTES 8u   // nothing is ever sent there, but hosts want the endpoint
#define NOTIFY_MS 255u

// USB 2.0, 9.6; CDC 1.2, 5.2.3; PSTN 1.2, 5.3. One descriptor a line.
// clang-format off
static const uint8_t configuration[CONFIGURATION_BYTES] = {
    9, CONFIGURATION, WORD(CONFIGURATION_BYTES), USB_INTERFACES, 1, 0, POWERED_BY_BUS, CURRENT_2_MA,
    9, INTERFACE, USB_COMMUNICATION_INTERFACE, 0, 1, COMMUNICATION_CLASS, ABSTRACT_CONTROL_MODEL, 0, 0,
    5, CLASS_INTERFACE, 0, WORD(0x0110u), // header: CDC 1.1
    5, CLASS_INTERFACE, 1, 0, USB_DATA_INTERFACE, // call management: none
    4, CLASS_INTERFACE, 2, 2, // the device knows line coding and line state
    5, CLASS_INTERFACE, 6, USB_COMMUNICATION_INTERFACE, USB_DATA_INTERFACE, // these two belong together
    7, ENDPOINT, USB_NOTIFY_IN, INTERRUPT_TRANSFERS, WORD(NOTIFY_BYTES), NOTIFY_MS,
    9, INTERFACE, USB_DATA_INTERFACE, 0, 2, DATA_CLASS, 0, 0, 0,
    7, ENDPOINT, USB_DATA_OUT, BULK_TRANSFERS, WORD(USB_PACKET_BYTES), 0,
    7, ENDPOINT, USB_DATA_IN, BULK_TRANSFERS, WORD(USB_PACKET_BYTES), 0,
};
// clang-format on

static size_t describe_device(struct usb_device *device) {
    const struct usb_identity *identity = device->identity;
    const uint8_t descriptor[DEVICE_BYTES] = {DEVICE_BYTES, DEVICE, WORD(0x0200u), // USB 2.0
        COMMUNICATION_CLASS, 0, 0, USB_PACKET_BYTES, WORD(identity->vendor), WORD(identity->product),
        WORD(identity->release), MANUFACTURER, NAME, SERIAL, 1};
    memcpy(device->scratch, descriptor, sizeof descriptor);
    return sizeof descriptor;
}

static size_t describe_languages(struct usb_device *device) {
    const uint8_t descriptor[4] = {sizeof descriptor, STRING, WORD(ENGLISH_US)};
    memcpy(device->scratch, descriptor, sizeof descriptor);
    return sizeof descriptor;
}

// In UTF-16, which ASCII is with a zero after each character.
static size_t describe_string(struct usb_device *device, const char *string) {
    uint8_t *to = device->scratch + 2;
    for (size_t i = 0; i < USB_STRING_LENGTH && string[i] != '\0'; i++) {
        *to++ = (uint8_t)string[i];
        *to++ = 0;
    }
    size_t bytes = (size_t)(to - device->scratch);
    device->scratch[0] = (uint8_t)bytes;
    device->scratch[1] = STRING;
    return bytes;
}

static size_t describe(struct usb_device *device, uint16_t value) {
    switch (value) {
    case DEVICE << 8:
        return describe_device(device);
    case STRING << 8 | LANGUAGES:
        return describe_languages(device);
    case STRING << 8 | MANUFACTURER:
        return describe_string(device, device->identity->manufacturer);
    case STRING << 8 | NAME:
        return describe_string(device, device->identity->name);
    case STRING << 8 | SERIAL:
        return describe_string(device, device->identity->serial);
    default: // a device qualifier, too: this device has one speed (9.6.2)
        return 0;
    }
}

const uint8_t *usb_descriptor(struct usb_device *device, uint16_t value, size_t *bytes) {
    if (value == CONFIGURATION << 8) {
        *bytes = sizeof configuration;
        return configuration;
    }
    *bytes = describe(device, value);
    return *bytes > 0 ? device->scratch : NULL;
}
