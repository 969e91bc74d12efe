// Received bytes between the interrupt that gets them and the main loop that reads them: one writer, one reader.
#ifndef RECEIVE_RING_H
#define RECEIVE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cortex_m4.h"

// A power of two, and room for three of the largest frames: a host that has lost patience repeats its request while
// the model still runs on the first one.
#define RECEIVE_RING_BYTES 4096u

struct receive_ring {
    uint8_t bytes[RECEIVE_RING_BYTES];
    volatile uint32_t written; // ever, by the interrupt, modulo 2^32
    volatile uint32_t read;    // ever, by the main loop, modulo 2^32
    volatile uint32_t lost;    // for want of room, or by the UART itself
};

static inline void receive_ring_put(struct receive_ring *ring, uint8_t byte) {
    uint32_t written = ring->written;
    if (written - ring->read == RECEIVE_RING_BYTES) {
        ring->lost = ring->lost + 1;
        return;
    }
    ring->bytes[written % RECEIVE_RING_BYTES] = byte;
    ring->written = written + 1;
}

static inline size_t receive_ring_take(struct receive_ring *ring, uint8_t *bytes, size_t capacity) {
    size_t count = 0;
    while (count < capacity && ring->read != ring->written) {
        bytes[count++] = ring->bytes[ring->read % RECEIVE_RING_BYTES];
        ring->read = ring->read + 1;
    }
    return count;
}

// Sleeps until an interrupt, unless a byte waits; none can slip in between the look and the sleep.
static inline void receive_ring_sleep(const struct receive_ring *ring) {
    interrupts_off();
    if (ring->read == ring->written) {
        wait_for_interrupt();
    }
    interrupts_on();
}

#endif
