// Recorded sound on its way from the microphone's DMA, or the interrupt handler that copies from it, to the main loop.
#ifndef RECORDING_H
#define RECORDING_H

#include <stddef.h>
#include <stdint.h>

#define RECORDING_BLOCK 1024u // samples that the DMA writes at once; a power of two
#ifndef RECORDING_BLOCKS
#define RECORDING_BLOCKS 32u // 0.7 s at 44 kHz: longer than the network takes
#endif

// Forgets what was recorded; the next `settling_samples` are then left out, while the microphone settles.
void recording_begin(uint32_t settling_samples);

// From the interrupt handler: where the DMA is to write the block after the one that it is writing, or the handler is
// to copy one. At most two blocks are out.
int16_t *recording_next(void);

// From the interrupt handler: the older of these blocks is written.
void recording_filled(void);

// From the interrupt handler: samples were lost before they reached a block.
void recording_dropped(uint32_t samples);

// For struct microphone.
size_t recording_read(int16_t *samples, size_t capacity);
uint32_t recording_lost(void);

#endif
