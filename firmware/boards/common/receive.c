// A ring buffer with one writer, the interrupt, and one reader, the main loop: neither needs to lock out the other.
#include "receive.h"

#include <stdbool.h>

#include "../board.h"
#include "cortex_m4.h"

static volatile bool woken;
static struct {
    volatile uint8_t bytes[RECEIVE_BYTES];
    volatile uint32_t written; // bytes ever put in, modulo 2^32
    volatile uint32_t read;    // bytes ever taken out, modulo 2^32
    volatile uint32_t lost;
} ring;

void receive_byte(uint8_t byte) {
    uint32_t written = ring.written;
    if (written - ring.read == RECEIVE_BYTES) {
        receive_lost();
        return;
    }
    ring.bytes[written % RECEIVE_BYTES] = byte;
    ring.written = written + 1;
}

uint32_t receive_room(void) {
    return RECEIVE_BYTES - (ring.written - ring.read);
}

void receive_lost(void) {
    ring.lost = ring.lost + 1;
}

void receive_wake(void) {
    woken = true;
}

size_t board_read(uint8_t *bytes, size_t capacity) {
    size_t count = 0;
    while (count < capacity && ring.read != ring.written) {
        bytes[count++] = ring.bytes[ring.read % RECEIVE_BYTES];
        ring.read = ring.read + 1;
    }
    return count;
}

uint32_t board_overruns(void) {
    return ring.lost;
}

void board_idle(void) {
    interrupts_off(); // an interrupt between the check and the sleep still ends the sleep
    if (ring.read == ring.written && !woken) {
        wait_for_interrupt();
    }
    woken = false;
    interrupts_on();
}
