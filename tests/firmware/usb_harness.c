// lib/usb with hardware that records its calls, for tests/firmware/test_usb.py.
#include <string.h>

#include "usb_device.h"
#include "usb_transmit.h"

void harness_init(const char *name);
int harness_setup(const uint8_t *packet, uint8_t *sent, size_t *bytes);
int harness_sent(uint8_t *sent, size_t *bytes);
int harness_received(const uint8_t *packet, size_t count);
void harness_bus_reset(void);
void harness_suspend(bool on);
bool harness_is_open(void);
bool harness_boot_loader_asked(void);
int harness_state(void);
int harness_address(void);
size_t harness_told(uint8_t *told);
size_t harness_put(const uint8_t *bytes, size_t count);
int harness_next(uint8_t *packet);
void harness_discard(void);
uint32_t harness_dropped(void);

static struct usb_identity identity = {0x2341, 0x805A, 0x0123, "tinyscene", "", "0123456789ABCDEF"};
static struct usb_device device;
static struct usb_transmit transmit;
static uint8_t told[256]; // pairs: endpoint (0: all of them), on
static size_t told_bytes;

static void configure(bool on) {
    told[told_bytes++] = 0;
    told[told_bytes++] = on;
}

static void halt(uint8_t endpoint, bool on) {
    told[told_bytes++] = endpoint;
    told[told_bytes++] = on;
}

void harness_init(const char *name) {
    const struct usb_hardware hardware = {configure, halt};
    identity.name = name;
    told_bytes = 0;
    transmit = (struct usb_transmit){.written = UINT32_MAX - 99u, .taken = UINT32_MAX - 99u}; // wraps early on
    usb_init(&device, &identity, &hardware);
}

static int carry_out(struct usb_step step, uint8_t *sent, size_t *bytes) {
    *bytes = step.action == USB_SEND ? step.bytes : 0;
    if (*bytes > 0) {
        memcpy(sent, step.packet, *bytes);
    }
    return (int)step.action;
}

int harness_setup(const uint8_t *packet, uint8_t *sent, size_t *bytes) {
    return carry_out(usb_setup(&device, packet), sent, bytes);
}

int harness_sent(uint8_t *sent, size_t *bytes) {
    return carry_out(usb_sent(&device), sent, bytes);
}

int harness_received(const uint8_t *packet, size_t count) {
    return (int)usb_received(&device, packet, count).action;
}

void harness_bus_reset(void) {
    usb_bus_reset(&device);
}

void harness_suspend(bool on) {
    device.suspended = on;
}

bool harness_is_open(void) {
    return usb_is_open(&device);
}

bool harness_boot_loader_asked(void) {
    return device.boot_loader_asked;
}

int harness_state(void) {
    return (int)device.state;
}

int harness_address(void) {
    return device.address;
}

size_t harness_told(uint8_t *bytes) {
    size_t count = told_bytes;
    memcpy(bytes, told, count);
    told_bytes = 0;
    return count;
}

size_t harness_put(const uint8_t *bytes, size_t count) {
    return usb_transmit_put(&transmit, bytes, count);
}

// Bytes of the next packet, or -1 where there is none.
int harness_next(uint8_t *packet) {
    size_t count = 0;
    bool due = usb_transmit_is_due(&transmit);
    return usb_transmit_next(&transmit, packet, &count) == due ? (due ? (int)count : -1) : -2;
}

void harness_discard(void) {
    usb_transmit_discard(&transmit);
}

uint32_t harness_dropped(void) {
    return transmit.dropped;
}
