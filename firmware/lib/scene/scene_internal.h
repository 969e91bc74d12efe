// What the sources of lib/scene share among themselves.
#ifndef SCENE_INTERNAL_H
#define SCENE_INTERNAL_H

#include "little_endian.h"
#include "scene.h"

// First byte of an answer.
enum status {
    STATUS_OK = 0,
    STATUS_UNKNOWN_REQUEST = 1,
    STATUS_BAD_LENGTH = 2,
    STATUS_BAD_OFFSET = 3,
    STATUS_BAD_STATE = 4,
    STATUS_BAD_VALUE = 5,
    STATUS_BAD_VERSION = 6,
    STATUS_INTERNAL = 7,
    STATUS_BAD_MODEL = 8,
};

// A request's payload, its length known to be one that the request allows.
struct request {
    const uint8_t *payload;
    size_t bytes;
};

// An answer under construction: the payload after the status.
struct answer {
    uint8_t *bytes;
    size_t length;
    bool overflow; // something did not fit and was left out
};

void answer_put(struct answer *answer, const void *bytes, size_t count);
void answer_u8(struct answer *answer, uint8_t value);
void answer_u16(struct answer *answer, uint16_t value);
void answer_u32(struct answer *answer, uint32_t value);
void answer_f32(struct answer *answer, float value);

// Runs the model on the image and returns the cycles that it took.
uint32_t run_model(struct scene *scene, int8_t *outputs);

// Whole microseconds of a number of cycles.
uint32_t microseconds(const struct scene *scene, uint32_t cycles);

enum status crash_read(struct scene *scene, struct request request, struct answer *answer);
enum status self_test(struct scene *scene, struct request request, struct answer *answer);
enum status audio_begin(struct scene *scene, struct request request, struct answer *answer);
enum status audio_write(struct scene *scene, struct request request, struct answer *answer);
enum status audio_end(struct scene *scene, struct request request, struct answer *answer);
enum status stream_start(struct scene *scene, struct request request, struct answer *answer);
enum status stream_write(struct scene *scene, struct request request, struct answer *answer);
enum status stream_stop(struct scene *scene, struct request request, struct answer *answer);
enum status stream_status(struct scene *scene, struct request request, struct answer *answer);
enum status probe_write(struct scene *scene, struct request request, struct answer *answer);
enum status probe_read(struct scene *scene, struct request request, struct answer *answer);
enum status profile_run(struct scene *scene, struct request request, struct answer *answer);
enum status profile_read(struct scene *scene, struct request request, struct answer *answer);

// Where a stream's samples come from.
enum source {
    SOURCE_SERIAL = 0,
    SOURCE_MICROPHONE = 1,
};

// The next samples of the stream under way.
void stream_samples(struct scene *scene, const int16_t *samples, size_t count);

// Ends a clip or stream under way.
void stream_leave(struct scene *scene);

// The classes' probabilities of memory.outputs.
void scene_probabilities(const struct scene *scene, float *probabilities);

// A result's line, and the line about the stream that may follow it.
void text_probabilities(const struct scene *scene, const float *probabilities);
void text_status(const struct scene *scene, uint32_t dropped);

#endif
