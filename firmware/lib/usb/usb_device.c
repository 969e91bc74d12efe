#include "usb_device.h"

#include "usb_class.h"
#include "usb_descriptors.h"
#include "usb_transfer.h"

// bmRequestType, USB 2.0, table 9-2.
#define TO_HOST 0x80u
#define CLASS 0x20u
#define OF_DEVICE 0u
#define OF_INTERFACE 1u
#define OF_ENDPOINT 2u

#define CONFIGURATION 1u // the only one
#define ADDRESS_MASK 0x7Fu
#define FEATURE_ENDPOINT_HALT 0u

struct known_request {
    uint8_t type, request;
    struct usb_step (*handle)(struct usb_device *device, const struct usb_request *request);
};

static struct usb_step get_descriptor(struct usb_device *device, const struct usb_request *request) {
    size_t bytes = 0;
    const uint8_t *descriptor = usb_descriptor(device, request->value, &bytes);
    return descriptor != NULL ? usb_answer(device, request, descriptor, bytes) : usb_refuse();
}

static struct usb_step set_address(struct usb_device *device, const struct usb_request *request) {
    if (request->value > ADDRESS_MASK || request->index != 0 || request->length != 0 ||
        device->state == USB_CONFIGURED) {
        return usb_refuse();
    }
    device->address = (uint8_t)request->value;
    device->state = device->address != 0 ? USB_ADDRESSED : USB_DEFAULT;
    return (struct usb_step){.action = USB_ADDRESS};
}

static struct usb_step set_configuration(struct usb_device *device, const struct usb_request *request) {
    if (device->state == USB_DEFAULT || request->value > CONFIGURATION || request->index != 0 || request->length != 0) {
        return usb_refuse();
    }
    device->state = request->value == CONFIGURATION ? USB_CONFIGURED : USB_ADDRESSED;
    device->halted = 0;
    usb_class_reset(device);
    device->hardware.configure(device->state == USB_CONFIGURED);
    return usb_accept();
}

static struct usb_step get_configuration(struct usb_device *device, const struct usb_request *request) {
    if (device->state == USB_DEFAULT || request->value != 0 || request->index != 0 || request->length != 1) {
        return usb_refuse();
    }
    device->scratch[0] = device->state == USB_CONFIGURED ? CONFIGURATION : 0;
    return usb_answer(device, request, device->scratch, 1);
}

static struct usb_step answer_status(struct usb_device *device, const struct usb_request *request, bool bit) {
    if (device->state == USB_DEFAULT || request->value != 0 || request->length != 2) {
        return usb_refuse();
    }
    device->scratch[0] = bit;
    device->scratch[1] = 0;
    return usb_answer(device, request, device->scratch, 2);
}

// Powered by the bus, cannot wake the host: 0.
static struct usb_step get_device_status(struct usb_device *device, const struct usb_request *request) {
    return request->index == 0 ? answer_status(device, request, false) : usb_refuse();
}

static bool is_interface(const struct usb_device *device, const struct usb_request *request) {
    return device->state == USB_CONFIGURED && request->index < USB_INTERFACES;
}

static struct usb_step get_interface_status(struct usb_device *device, const struct usb_request *request) {
    return is_interface(device, request) ? answer_status(device, request, false) : usb_refuse();
}

static struct usb_step get_interface(struct usb_device *device, const struct usb_request *request) {
    if (!is_interface(device, request) || request->value != 0 || request->length != 1) {
        return usb_refuse();
    }
    device->scratch[0] = 0;
    return usb_answer(device, request, device->scratch, 1);
}

// The bit of an endpoint in `halted`; 0 for one that the device does not have.
static uint32_t endpoint_bit(uint16_t endpoint) {
    switch (endpoint) {
    case USB_NOTIFY_IN:
        return 1u << 0;
    case USB_DATA_IN:
        return 1u << 1;
    case USB_DATA_OUT:
        return 1u << 2;
    default:
        return 0;
    }
}

static void set_halt(struct usb_device *device, uint16_t endpoint, bool on) {
    uint32_t bit = endpoint_bit(endpoint);
    device->halted = on ? device->halted | bit : device->halted & ~bit;
    device->hardware.halt((uint8_t)endpoint, on);
}

// There is one setting; to choose it again restarts the endpoints of the interface (9.1.1.5).
static struct usb_step set_interface(struct usb_device *device, const struct usb_request *request) {
    if (!is_interface(device, request) || request->value != 0 || request->length != 0) {
        return usb_refuse();
    }
    if (request->index == USB_DATA_INTERFACE) {
        set_halt(device, USB_DATA_IN, false);
        set_halt(device, USB_DATA_OUT, false);
    } else {
        set_halt(device, USB_NOTIFY_IN, false);
    }
    return usb_accept();
}

static bool is_endpoint_0(const struct usb_request *request) {
    return (request->index & ~TO_HOST) == 0;
}

static struct usb_step get_endpoint_status(struct usb_device *device, const struct usb_request *request) {
    uint32_t bit = endpoint_bit(request->index);
    if (is_endpoint_0(request) || (device->state == USB_CONFIGURED && bit != 0)) {
        return answer_status(device, request, (device->halted & bit) != 0);
    }
    return usb_refuse();
}

static struct usb_step endpoint_feature(struct usb_device *device, const struct usb_request *request, bool on) {
    if (device->state != USB_CONFIGURED || request->value != FEATURE_ENDPOINT_HALT || request->length != 0 ||
        endpoint_bit(request->index) == 0) {
        return usb_refuse();
    }
    set_halt(device, request->index, on);
    return usb_accept();
}

static struct usb_step set_endpoint_feature(struct usb_device *device, const struct usb_request *request) {
    return endpoint_feature(device, request, true);
}

// Endpoint 0 is never halted for long: the next SETUP packet ends it (8.5.3.4), so that there is nothing to clear.
static struct usb_step clear_endpoint_feature(struct usb_device *device, const struct usb_request *request) {
    bool nothing = is_endpoint_0(request) && request->value == FEATURE_ENDPOINT_HALT && request->length == 0 &&
                   device->state != USB_DEFAULT;
    return nothing ? usb_accept() : endpoint_feature(device, request, false);
}

// Chapter 9.4. SET_DESCRIPTOR, SYNCH_FRAME and the features of the device (remote wake-up, test modes) are optional,
// and refused.
static const struct known_request known_requests[] = {
    {TO_HOST | OF_DEVICE, 0, get_device_status},
    {TO_HOST | OF_INTERFACE, 0, get_interface_status},
    {TO_HOST | OF_ENDPOINT, 0, get_endpoint_status},
    {OF_ENDPOINT, 1, clear_endpoint_feature},
    {OF_ENDPOINT, 3, set_endpoint_feature},
    {OF_DEVICE, 5, set_address},
    {TO_HOST | OF_DEVICE, 6, get_descriptor},
    {TO_HOST | OF_DEVICE, 8, get_configuration},
    {OF_DEVICE, 9, set_configuration},
    {TO_HOST | OF_INTERFACE, 10, get_interface},
    {OF_INTERFACE, 11, set_interface},
    {CLASS | OF_INTERFACE, 0x20, usb_set_line_coding},
    {TO_HOST | CLASS | OF_INTERFACE, 0x21, usb_get_line_coding},
    {CLASS | OF_INTERFACE, 0x22, usb_set_line_state},
};

void usb_init(struct usb_device *device, const struct usb_identity *identity, const struct usb_hardware *hardware) {
    *device = (struct usb_device){.identity = identity, .hardware = *hardware};
    usb_class_reset(device);
}

void usb_bus_reset(struct usb_device *device) {
    const struct usb_hardware hardware = device->hardware;
    usb_init(device, device->identity, &hardware);
    device->hardware.configure(false);
}

static uint16_t low_high(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

struct usb_step usb_setup(struct usb_device *device, const uint8_t packet[USB_SETUP_BYTES]) {
    const struct usb_request request = {
        .type = packet[0],
        .request = packet[1],
        .value = low_high(packet + 2),
        .index = low_high(packet + 4),
        .length = low_high(packet + 6),
    };
    device->data_bytes = 0;
    device->empty_packet_due = false;
    device->receiving = false;
    for (size_t i = 0; i < sizeof known_requests / sizeof *known_requests; i++) {
        const struct known_request *known = &known_requests[i];
        if (known->type == request.type && known->request == request.request) {
            return known->handle(device, &request);
        }
    }
    return usb_refuse();
}

struct usb_step usb_sent(struct usb_device *device) {
    return usb_answer_next(device);
}

struct usb_step usb_received(struct usb_device *device, const uint8_t *bytes, size_t count) {
    bool expected = device->receiving;
    device->receiving = false;
    return expected ? usb_line_coding_received(device, bytes, count) : usb_refuse();
}

bool usb_is_open(const struct usb_device *device) {
    return device->state == USB_CONFIGURED && device->terminal_ready && !device->suspended;
}
