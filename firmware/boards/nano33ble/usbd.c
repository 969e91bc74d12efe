// The data endpoints, and the interrupt.
//
// All that touches the peripheral happens in usbd_interrupt(), or in service() with interrupts held back, so that
// none of it overlaps. A packet from the host stays in the peripheral, which makes the host wait, until the receive
// ring has room for all of it: over USB no byte is lost.
#include "usbd.h"

#include "../board.h"
#include "../common/receive.h"
#include "lines.h"
#include "nrf52840.h"
#include "usb_transmit.h"
#include "usbd_control.h"
#include "usbd_dma.h"
#include "usbd_power.h"
#include "wait.h"

#define NUMBER(endpoint) ((endpoint)&0x7Fu)
#define DATA_ENDPOINT NUMBER(USB_DATA_IN) // the same number in both directions
#define EP0_ENABLED 1u
#define EPIN_ENABLED (EP0_ENABLED | 1u << NUMBER(USB_NOTIFY_IN) | 1u << DATA_ENDPOINT)
#define EPOUT_ENABLED (EP0_ENABLED | 1u << DATA_ENDPOINT)
#define STATUS_STAGE_MS 5u  // lets the host end the transfer that asked for the boot loader
#define HOST_PROGRAM_MS 50u // lets the program on the host read what its driver has, before the port vanishes

void usbd_interrupt(void);

static struct usb_transmit transmit;
static struct {
    uint8_t out[USB_PACKET_BYTES], in[USB_PACKET_BYTES];
    bool arrived;         // a packet from the host is in the peripheral
    bool on_its_way;      // a packet to the host is there
    bool deaf;            // the host had its chance, and did not read
    uint32_t progress_at; // cycle count when the host last took a packet, or something to take came
} data;

// Each starts its data endpoint again, as when that is switched on or no longer halted.
static void restart_in(void) {
    data.on_its_way = data.deaf = false;
    usb_transmit_discard(&transmit);
}

static void restart_out(void) {
    data.arrived = false;
    USBD_SIZE_EPOUT(DATA_ENDPOINT) = 0; // 6.35.10: any value; the endpoint takes a packet
}

// An endpoint's place in DTOGGLE and EPSTALL is that of its address: number, and bit 7 towards the host.
static void halt(uint8_t endpoint, bool on) {
    USBD_EPSTALL = on ? endpoint | USBD_EPSTALL_STALL : endpoint;
    if (on) {
        return;
    }
    USBD_DTOGGLE = endpoint; // selects it, changes nothing
    USBD_DTOGGLE = endpoint | USBD_DTOGGLE_DATA0;
    if (endpoint == USB_DATA_IN) {
        restart_in();
    } else if (endpoint == USB_DATA_OUT) {
        restart_out();
    }
}

static void configure(bool on) {
    USBD_EPINEN = on ? EPIN_ENABLED : EP0_ENABLED;
    USBD_EPOUTEN = on ? EPOUT_ENABLED : EP0_ENABLED;
    if (on) {
        halt(USB_NOTIFY_IN, false);
        halt(USB_DATA_IN, false);
        halt(USB_DATA_OUT, false);
    }
}

static const struct usb_hardware hardware = {configure, halt};

static void take_arrived(void) {
    if (data.arrived && receive_room() >= USB_PACKET_BYTES) {
        size_t count = usbd_dma_out(DATA_ENDPOINT, data.out); // after which the endpoint takes another one
        data.arrived = false;
        line_in_use = LINE_USB;
        for (size_t i = 0; i < count; i++) {
            receive_byte(data.out[i]);
        }
    }
    // while a packet has to wait, look again every millisecond
    if (data.arrived) {
        USBD_INTENSET = USBD_INT_SOF;
    } else {
        USBD_INTENCLR = USBD_INT_SOF;
    }
}

static void send_next(void) {
    size_t count = 0;
    if (!usb_is_open(&usbd_device)) {
        usb_transmit_discard(&transmit);
    } else if (!data.on_its_way && usb_transmit_next(&transmit, data.in, &count)) {
        data.on_its_way = true;
        usbd_dma_in(DATA_ENDPOINT, data.in, count);
    }
}

static void data_events(void) {
    (void)usbd_take(&USBD_EVENTS_SOF);
    if (usbd_take(&USBD_EVENTS_EPDATA)) {
        uint32_t endpoints = USBD_EPDATASTATUS;
        USBD_EPDATASTATUS = endpoints; // what is written as 1 is cleared
        data.arrived |= (endpoints & USBD_EPDATASTATUS_OUT(DATA_ENDPOINT)) != 0;
        if (endpoints & USBD_EPDATASTATUS_IN(DATA_ENDPOINT)) {
            data.on_its_way = data.deaf = false;
            data.progress_at = DWT_CYCCNT;
        }
    }
}

static void service(void) {
    enum usbd_presence presence = usbd_follow_cable();
    if (presence == USBD_UNPLUGGED) {
        usbd_control_init(&hardware);
    }
    if (presence != USBD_ON_BUS) {
        return;
    }
    usbd_control_events();
    data_events();
    if (usbd_device.state == USB_CONFIGURED) {
        take_arrived();
    }
    send_next();
}

void usbd_interrupt(void) {
    service();
    if (usbd_device.boot_loader_asked) {
        wait_ms(STATUS_STAGE_MS);
        board_boot_loader();
    }
}

void usbd_init(void) {
    usbd_control_init(&hardware);
    interrupts_off();
    service();
    interrupts_on();
    POWER_INTENSET = POWER_INT_USB;
    interrupt_enable(POWER_INTERRUPT);
    interrupt_enable(USBD_INTERRUPT);
}

// Gives the host a chance to take something; false once it has let too much time pass.
static bool let_host_take(void) {
    service();
    data.deaf |= DWT_CYCCNT - data.progress_at > USBD_PATIENCE_MS * CYCLES_PER_MS;
    return usb_is_open(&usbd_device) && !data.deaf;
}

static void flush(void) {
    bool going = true;
    data.progress_at = DWT_CYCCNT;
    while (going && (data.on_its_way || usb_transmit_is_due(&transmit))) {
        going = let_host_take();
    }
}

void usbd_write(const uint8_t *bytes, size_t count) {
    bool listening = true;
    data.progress_at = DWT_CYCCNT;
    while (count > 0 && listening) {
        interrupts_off();
        listening = let_host_take();
        size_t put = listening ? usb_transmit_put(&transmit, bytes, count) : 0;
        send_next();
        interrupts_on();
        bytes += put;
        count -= put;
    }
    transmit.dropped += (uint32_t)count;
    if (in_handler()) {
        flush();
    }
}

void usbd_detach(void) {
    interrupts_off();
    flush();
    wait_ms(HOST_PROGRAM_MS);
    usbd_leave_bus();
}
