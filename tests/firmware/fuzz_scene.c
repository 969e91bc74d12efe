// One input of a fuzzer for lib/link and lib/scene with a small bundle: what a host may send, and what it never would.
//
// The input is a series of records: a type, a length (u16, little endian), and as many bytes as that, or as are left.
// Type 0xFF puts the bytes on the line as they are. Any other makes them the payload of a frame of this type, with a
// right CRC, a session that was opened and the next sequence: no fuzzer guesses these. Aborts when the board's side of
// docs/PROTOCOL.md is broken.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "frontend_tables.h"
#include "little_endian.h"
#include "model.h"
#include "scene.h"

#define RAW 0xFF
#define SESSION 1
#define LAST_STATUS SCENE_STATUS_BAD_SESSION
#define NEVER(what)                                                                                                    \
    do {                                                                                                               \
        if (what) {                                                                                                    \
            fprintf(stderr, "%s\n", #what);                                                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static int16_t history[FRONTEND_HISTORY_SAMPLES];
static float work[FRONTEND_WORK_FLOATS];
static int8_t image[MODEL_INPUT_BYTES];
static int8_t outputs[MODEL_OUTPUT_BYTES];
static float posteriors[(SCENE_MAX_SMOOTHING + 1) * MODEL_OUTPUT_BYTES];
static _Alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
static uint32_t ticks[MODEL_LAYERS];
static struct scene scene;
static struct link_receiver host;
static struct link_frame heard; // the last answer
static size_t answers;

// What the board sends, as a host receives it: answers with a known status, and text.
static void hear(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        enum link_event event = link_receive(&host, bytes[i]);
        NEVER(event < 0);
        if (event == LINK_FRAME) {
            heard = link_received(&host);
            NEVER(heard.type < LINK_ANSWER || heard.payload_bytes == 0 || heard.payload[0] > LAST_STATUS);
            NEVER(heard.payload[0] != 0 && heard.payload_bytes != 1);
            answers++;
        }
    }
}

static void speak(const uint8_t *bytes, size_t count) {
    scene_receive(&scene, bytes, count);
}

static uint32_t cycles(void) {
    static uint32_t now;
    return now += 1000;
}

static uint32_t overruns(void) {
    return 0;
}

// A board that restarts is as after start() when the next input comes.
static void restart(void) {
    scene.leave = NULL;
}

static void start(void) {
    static const uint8_t constant[] = "123456789";
    static const uint32_t stack[8];
    crash_begin(RESET_POWER);
    const struct scene_port port = {
        .board = "fuzz",
        .firmware = "0",
        .build = "0",
        .write = hear,
        .cycles = cycles,
        .overruns = overruns,
        .clock_hz = 1000000,
        .restart = restart,
        .constants = {constant, 9, 0xCBF43926u},
        .stack = {stack, stack + 8},
    };
    const struct scene_memory memory = {
        .history = history,
        .history_samples = FRONTEND_HISTORY_SAMPLES,
        .work = work,
        .work_floats = FRONTEND_WORK_FLOATS,
        .image = image,
        .outputs = outputs,
        .posteriors = posteriors,
        .arena = arena,
        .ticks = ticks,
    };
    NEVER(scene_init(&scene, &scene_bundle, &port, &memory) != FRONTEND_OK);
    link_receiver_init(&host);
    answers = 0;
}

// Sends a frame; a request is answered by exactly one frame, the last that comes.
static void request(uint8_t type, uint16_t sequence, const uint8_t *payload, size_t count) {
    uint8_t frame[LINK_MAX_FRAME];
    if (count > 0) {
        memcpy(frame + LINK_HEADER_BYTES, payload, count);
    }
    static const uint8_t delimiter = 0;
    speak(&delimiter, 1); // ends what was raw before, which may have been a frame
    size_t before = answers;
    link_send(frame, type, (struct link_address){.sequence = sequence, .session = SESSION}, count, speak);
    bool is_request = type > 0 && type < LINK_ANSWER;
    NEVER(answers - before != (is_request ? 1u : 0u));
    NEVER(is_request && (heard.type != (type | LINK_ANSWER) || heard.address.sequence != sequence));
    NEVER(is_request && heard.address.session != SESSION);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    start();
    request(SCENE_REQUEST_HELLO, 1, NULL, 0);
    for (uint16_t sequence = 2; size >= 3; sequence++) {
        uint8_t type = input[0];
        size_t count = read_u16(input + 1);
        input += 3;
        size -= 3;
        count = count < size ? count : size;
        if (type == RAW) {
            speak(input, count);
        } else {
            count = count < LINK_MAX_PAYLOAD ? count : LINK_MAX_PAYLOAD;
            request(type, sequence, input, count);
        }
        input += count;
        size -= count;
    }
    return 0;
}
