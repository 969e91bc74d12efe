// The classifier behind the serial link: requests of docs/PROTOCOL.md in, answers and text lines out.
//
// Joins lib/link, lib/frontend and the compiled model, and knows none of their particulars: the bundle, the board and
// all memory come in structs. Give every received byte to scene_receive(); it answers before it returns.
//
// Files: scene.c (the conversation, and the requests about the board and the image), scene_audio.c (clips, and samples
// over the serial port), scene_stream.c (continuous audio), scene_health.c (crashes and self-test), scene_probe.c (one
// frame's stages), scene_model.c (the model's runs, and where their time goes), scene_answer.c (fields of answers),
// scene_text.c (lines for people and plotters).
#ifndef SCENE_H
#define SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash.h"
#include "frontend.h"
#include "link.h"
#include "microphone.h"
#include "self_test.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SCENE_IDENTITY_BYTES 8
#define SCENE_REJECTED 0xFF // instead of a class: no class is likely enough

enum scene_output_kind {
    SCENE_LOGITS = 0,        // softmax makes them probabilities
    SCENE_PROBABILITIES = 1, // up to rounding
};

// A bundle: the generated constants and the compiled model.
struct scene_bundle {
    const char *name;
    uint8_t identity[SCENE_IDENTITY_BYTES]; // as the host computes it, see Bundle.identity
    const char *const *labels;              // [classes]: printable ASCII without spaces
    uint8_t classes;
    enum scene_output_kind output_kind;
    float output_scale; // output = output_scale * (q - output_zero_point)
    int32_t output_zero_point;
    const struct frontend_config *frontend;
    // Reads input [mels][frames], writes output [classes], uses the arena for what is between them.
    void (*run)(void *arena, const int8_t *input, int8_t *output);
    // The same, and what each layer takes by a clock that wraps at 2^32, to ticks[layers].
    void (*profile)(void *arena, const int8_t *input, int8_t *output, uint32_t (*clock)(void), uint32_t *ticks);
    uint16_t layers;
};

// What the board offers.
struct scene_port {
    const char *board;    // its name
    const char *firmware; // version
    const char *build;    // distinguishes builds of one version; at most 64 characters
    link_write write;
    uint32_t (*cycles)(void);   // a counter at clock_hz, modulo 2^32
    uint32_t (*overruns)(void); // received bytes that were lost
    uint32_t clock_hz;
    const struct microphone *microphone; // NULL: none
    void (*restart)(void);               // once what was written has left
    void (*boot_loader)(void);           // the same, into the boot loader; NULL: there is none
    uint32_t intended_clock_hz;          // what clock_hz is if everything starts as it should
    enum reset_cause reset_cause;
    struct self_test_constants constants;
    struct self_test_stack stack;
};

// The caller's buffers; sizes in the generated headers.
struct scene_memory {
    int16_t *history; // FRONTEND_HISTORY_SAMPLES
    size_t history_samples;
    float *work; // FRONTEND_WORK_FLOATS
    size_t work_floats;
    int8_t *image;     // [mels][frames]
    int8_t *outputs;   // [classes]
    float *posteriors; // [SCENE_MAX_SMOOTHING + 1][classes]
    void *arena;       // MODEL_ARENA_BYTES, aligned to 16
    uint32_t *ticks;   // MODEL_LAYERS
};

enum scene_state {
    SCENE_IDLE,   // no audio expected
    SCENE_CLIP,   // between AUDIO_BEGIN and AUDIO_END
    SCENE_DONE,   // after AUDIO_END: the answer is kept in case the host asks again
    SCENE_STREAM, // between STREAM_START and STREAM_STOP
};

// What STREAM_START asks for.
struct scene_stream_options {
    uint8_t source;
    uint16_t hop;      // columns from a result to the next; 0: a result for every clip
    uint8_t smoothing; // results that are averaged, 1..SCENE_MAX_SMOOTHING
    uint8_t reject;    // percent that the likeliest class must reach, else SCENE_REJECTED
    int8_t gain;       // gain of the microphone, in half decibels
    bool status_lines;
};

// A stream under way.
struct scene_stream {
    struct scene_stream_options options;
    uint32_t clip_samples; // samples of the current clip so far
    uint32_t columns_left; // until the next result
    uint32_t results;
    uint64_t energy; // sum of squares since the last result
    int32_t peak;    // greatest magnitude since the last result
    uint32_t samples;
    int16_t level, peak_level; // at the last result, in tenths of dBFS
    uint8_t scene;             // the last result: a class, or SCENE_REJECTED
};

// State. Fields are private.
struct scene {
    const struct scene_bundle *bundle;
    struct scene_port port;
    struct scene_memory memory;
    struct link_receiver receiver;
    uint8_t answer[LINK_MAX_FRAME];
    struct frontend frontend;
    bool bundle_is_whole; // else it must not be read: even its pointers may be wrong
    enum scene_state state;
    void (*leave)(void);        // to be called when the answer is out; NULL: stay
    uint16_t session, sequence; // of the newest request; session 0: no host has opened one since the start
    uint32_t samples_crc;       // CRC-32 of the current clip's samples so far
    uint32_t image_crc;         // CRC-32 of the image of SCENE_DONE
    uint32_t position;          // samples since AUDIO_BEGIN or STREAM_START, modulo 2^32
    uint32_t frontend_cycles;   // spent on the current clip
    uint32_t clip_model_cycles; // spent on the clip of SCENE_DONE
    struct scene_stream stream;
    bool profiled;                                                   // memory.ticks hold those of a run
    uint32_t frames_ok, crc_errors, oversize, malformed, inferences; // see STATISTICS
};

// Binds bundle, board and memory; all must outlive `scene`. Fails as frontend_init() does. Where the constants are not
// whole it does not look at the bundle, and every request that needs it is answered with bad_model.
enum frontend_status scene_init(struct scene *scene, const struct scene_bundle *bundle, const struct scene_port *port,
    const struct scene_memory *memory);

// Writes the line that a host waits for after a reset.
void scene_greet(const struct scene *scene);

// Takes received bytes, and answers the requests that they complete.
void scene_receive(struct scene *scene, const uint8_t *bytes, size_t count);

// Takes a piece of sound from the microphone if a stream reads it; false if there is none to take now.
bool scene_listen(struct scene *scene);

#ifdef __cplusplus
}
#endif

#endif
