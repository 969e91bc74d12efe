// Recorded sound on its way from the microphone's DMA to the main loop.
#ifndef RECORDING_H
#define RECORDING_H

#include <stddef.h>
#include <stdint.h>

#define RECORDING_BLOCK 1024u // samples that the DMA writes at once
#define RECORDING_BLOCKS 32u  // 0.7 s at 44 kHz: longer than the network takes

// Forgets what was recorded; so many samples are then left out, while the microphone settles.
void recording_begin(uint32_t settling_samples);

// From the interrupt handler: where the DMA is to write the block after the one that it is writing. At most two blocks
// are with the DMA.
int16_t *recording_next(void);

// From the interrupt handler: the DMA has written the older of its blocks.
void recording_filled(void);

// For struct microphone.
size_t recording_read(int16_t *samples, size_t capacity);
uint32_t recording_lost(void);

#endif
