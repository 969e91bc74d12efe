// What lies below scene.c in lib/scene, the lowest layer first: a file calls only those before it.
#ifndef SCENE_INTERNAL_H
#define SCENE_INTERNAL_H

#include "little_endian.h"
#include "scene.h"

#ifdef __cplusplus
extern "C" {
#endif

// A request's payload, its length known to be one that the request allows.
struct scene_request {
    const uint8_t *payload;
    size_t bytes;
};

// An answer under construction: the payload after the status.
struct scene_answer {
    uint8_t *bytes;
    size_t length;
    size_t skip;     // bytes to leave out before the first one
    size_t left_out; // bytes that did not fit
};

// scene_answer.c: appends to the payload, or counts what does not fit.
#define SCENE_MAX_ANSWER (LINK_MAX_PAYLOAD - 1) // bytes after the status
void scene_answer_put(struct scene_answer *answer, const void *bytes, size_t count);
void scene_answer_u8(struct scene_answer *answer, uint8_t value);
void scene_answer_u16(struct scene_answer *answer, uint16_t value);
void scene_answer_u32(struct scene_answer *answer, uint32_t value);
void scene_answer_f32(struct scene_answer *answer, float value);

// scene_info.c
#define SCENE_HELLO_BYTES (SCENE_IDENTITY_BYTES + 5)
size_t scene_image_bytes(const struct scene *scene);
enum scene_status scene_hello(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_info(struct scene *scene, struct scene_request request, struct scene_answer *answer);

// scene_text.c: a result's line, and the line about the stream that may follow it.
void scene_text_probabilities(const struct scene *scene, const float *probabilities);
void scene_text_status(const struct scene *scene, uint32_t dropped);

// The classes' probabilities by memory.outputs.
void scene_probabilities(const struct scene *scene, float *probabilities);

// scene_model.c: runs the model on the image and returns the cycles that it took.
uint32_t scene_run_model(struct scene *scene, int8_t *outputs);

// CRC-32 of the image, for the host to compare with what it means.
uint32_t scene_image_crc(const struct scene *scene);

// Whole microseconds of a number of cycles.
uint32_t scene_microseconds(const struct scene *scene, uint32_t cycles);

enum scene_status scene_profile_run(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_profile_read(struct scene *scene, struct scene_request request, struct scene_answer *answer);

// scene_health.c
enum scene_status scene_crash_read(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_self_test(struct scene *scene, struct scene_request request, struct scene_answer *answer);

// Where a stream's samples come from.
enum scene_source {
    SCENE_SOURCE_SERIAL = 0,
    SCENE_SOURCE_MICROPHONE = 1,
};

// scene_stream.c: takes the next samples of the stream under way.
void scene_stream_samples(struct scene *scene, const int16_t *samples, size_t count);

// Ends a clip or stream under way.
void scene_stream_leave(struct scene *scene);

enum scene_status scene_stream_start(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_stream_stop(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_stream_status(struct scene *scene, struct scene_request request, struct scene_answer *answer);

// scene_audio.c
enum scene_status scene_audio_begin(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_audio_write(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_audio_end(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_stream_write(struct scene *scene, struct scene_request request, struct scene_answer *answer);

// scene_probe.c
enum scene_status scene_probe_write(struct scene *scene, struct scene_request request, struct scene_answer *answer);
enum scene_status scene_probe_read(struct scene *scene, struct scene_request request, struct scene_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
