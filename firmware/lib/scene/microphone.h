// What lib/scene needs of a board's microphone. Samples are PCM16, one channel.
#ifndef MICROPHONE_H
#define MICROPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct microphone {
    uint32_t rate; // Hz

    // Starts recording with a gain in half decibels relative to the board's usual one, and forgets what was recorded
    // before. What comes while the microphone settles is left out. False if the hardware does not start.
    bool (*start)(int32_t gain);

    void (*stop)(void);

    // Copies at most `capacity` recorded samples, oldest first, and returns how many; does not wait.
    size_t (*read)(int16_t *samples, size_t capacity);

    // Samples since start() that were lost because the earlier ones were not read in time.
    uint32_t (*lost)(void);
};

#ifdef __cplusplus
}
#endif

#endif
