// Received bytes on their way from the interrupt of a board's serial port to the main loop, which takes them by
// board_read(), board_overruns() and board_idle().
#ifndef RECEIVE_H
#define RECEIVE_H

#include <stdint.h>

// A power of two, and room for three of the largest frames: a host that has lost patience repeats its request while
// the model still runs on the first one.
#define RECEIVE_BYTES 4096u

// From the interrupt: a byte has come.
void receive_byte(uint8_t byte);

// From the interrupt: how many bytes will be taken; for a serial port that can make the host wait.
uint32_t receive_room(void);

// From the interrupt: the serial port itself has lost a byte.
void receive_lost(void);

// From any interrupt: the main loop has something else to do, so board_idle() is not to sleep.
void receive_wake(void);

#endif
