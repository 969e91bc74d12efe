// A ring of blocks with one writer, the DMA, and one reader, the main loop. Where the ring is full, the DMA writes to a
// spare block that nobody reads.
#include "recording.h"

#include <stdbool.h>
#include <string.h>

#include "receive.h"

#define DMA_BLOCKS 2u

static int16_t blocks[RECORDING_BLOCKS][RECORDING_BLOCK], spare[RECORDING_BLOCK];
static struct {
    volatile uint32_t given; // blocks of the ring that the DMA ever got, modulo 2^32
    volatile uint32_t filled;
    volatile uint32_t read;
    volatile uint32_t lost;    // samples
    volatile uint32_t settles; // blocks that are still left out
    size_t position;           // samples of the block `read` that were read
    bool into_ring[DMA_BLOCKS];
    uint32_t asked, answered; // blocks that the DMA ever got and gave back, spare ones included
} ring;

void recording_begin(uint32_t settling_samples) {
    memset(&ring, 0, sizeof ring);
    ring.settles = (settling_samples + RECORDING_BLOCK - 1) / RECORDING_BLOCK;
}

int16_t *recording_next(void) {
    const bool room = ring.given - ring.read < RECORDING_BLOCKS;
    ring.into_ring[ring.asked++ % DMA_BLOCKS] = room;
    return room ? blocks[ring.given++ % RECORDING_BLOCKS] : spare;
}

void recording_filled(void) {
    if (!ring.into_ring[ring.answered++ % DMA_BLOCKS]) {
        ring.lost = ring.lost + RECORDING_BLOCK;
    } else if (ring.settles > 0) { // the reader waits at the start meanwhile
        ring.settles--;
        ring.filled = ring.filled + 1;
        ring.read = ring.filled;
    } else {
        ring.filled = ring.filled + 1;
    }
    receive_wake();
}

void recording_dropped(uint32_t samples) {
    ring.lost = ring.lost + samples;
}

size_t recording_read(int16_t *samples, size_t capacity) {
    size_t count = 0;
    if (ring.settles > 0) {
        return 0;
    }
    while (count < capacity && ring.read != ring.filled) {
        const size_t left = RECORDING_BLOCK - ring.position, room = capacity - count;
        const size_t taken = left < room ? left : room;
        memcpy(samples + count, blocks[ring.read % RECORDING_BLOCKS] + ring.position, taken * sizeof *samples);
        count += taken;
        ring.position += taken;
        if (ring.position == RECORDING_BLOCK) {
            ring.position = 0;
            ring.read = ring.read + 1;
        }
    }
    return count;
}

uint32_t recording_lost(void) {
    return ring.lost;
}
