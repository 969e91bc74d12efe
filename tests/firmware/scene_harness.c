// lib/scene and lib/link with a front end and a model that are easily foretold, for tests/firmware/test_scene.py.
//
// The front end: of a clip of 1000 samples, cell i of the 4 x 5 image is the low byte of sample 50 * i. The model:
// output c is cell c plus 1, modulo 256. The clock advances by 25 cycles at each look, the front end's and the model's
// time by their own; each of LAYERS layers takes its number times LAYER_CYCLES, and a look. Followed without clips,
// cell [m][FRAMES - 1] of the image is the low byte of sample m of each 10, the others having moved to the left. The
// microphone gives what harness_record() was given. The constants are 1000 bytes, the stack has 64 words of which 3
// were used. A probe of n samples: value i of stage s, of n + s values, is sample i modulo n plus 1000 s.
#include <string.h>

#include "crash.c" // not only its header: harness_flip() reaches into the record
#include "crc32.h"
#include "scene.h"

enum { MOST_CLASSES = 255 };
enum { MELS = 4, FRAMES = 5, CLASSES = 3, CLIP_SAMPLES = 1000, HOP = CLIP_SAMPLES / (MELS * FRAMES) };
enum { WINDOW = 700, HISTORY = WINDOW + 1, WORK = WINDOW + FRONTEND_STAGE_LOG };
enum { COLUMN = 10, NOT_RECORDING = 1000 };
enum { FRONTEND_CYCLES = 250, MODEL_CYCLES = 2500, LOOK_CYCLES = 25 };
enum { LAYERS = 300, LAYER_CYCLES = 10 }; // more layers than one answer carries

enum { CONSTANTS = 1000, STACK_WORDS = 64, USED_WORDS = 3 };

void harness_reset(enum scene_output_kind kind);
void harness_reset_with_boot_loader(bool present);
void harness_label_all(const char *label);
void harness_damage(size_t position);
size_t harness_flip(size_t bit);
uint32_t harness_request(void);
void harness_boot(enum scene_output_kind kind, enum reset_cause cause);
size_t harness_receive(const uint8_t *bytes, size_t count, uint8_t *written, size_t capacity);
size_t harness_greet(uint8_t *written, size_t capacity);
void harness_record(const int16_t *samples, size_t count, uint32_t lost);
size_t harness_listen(uint8_t *written, size_t capacity);
int32_t harness_gain(void);
void harness_set_microphone(uint32_t rate, bool starts, bool follows);

static const char *const labels[CLASSES] = {"bus", "metro_station", "park"};
static const char *long_labels[MOST_CLASSES];
static const struct frontend_config config = {.sample_rate = 8000,
    .clip_samples = CLIP_SAMPLES,
    .hop_length = COLUMN,
    .win_length = WINDOW,
    .mels = MELS,
    .frames = FRAMES};

static struct {
    uint8_t bytes[8192];
    size_t count;
} line;
static uint32_t clock_cycles;
static bool has_boot_loader;
static int16_t history[HISTORY];
static float work[WORK];
static int8_t image[MELS * FRAMES], outputs[CLASSES];
static float posteriors[(SCENE_MAX_SMOOTHING + 1) * CLASSES];
static struct {
    int16_t samples[8192];
    size_t count, read;
    uint32_t lost;
    int32_t gain;
    bool starts;
} recorder;
static bool follows;
static uint32_t request_at_model;
static uint8_t constants[CONSTANTS];
static uint32_t stack[STACK_WORDS];
static struct scene_port port = {.board = "harness", .firmware = "1.2.3", .build = "c0ffee", .clock_hz = 25000000};
static uint32_t ticks[LAYERS];
static struct scene_bundle bundle;
static struct scene scene;

enum frontend_status frontend_init(struct frontend *frontend, const struct frontend_config *tables, int16_t *history,
    size_t history_samples, float *work, size_t work_floats) {
    *frontend = (struct frontend){.config = tables, .history = history, .signal = work};
    return history_samples == HISTORY && work_floats == WORK ? FRONTEND_OK : FRONTEND_MEMORY_TOO_SMALL;
}

void frontend_begin(struct frontend *frontend) {
    frontend->received = 0;
}

enum frontend_status frontend_feed(struct frontend *frontend, const int16_t *pcm, size_t count, int8_t *features) {
    clock_cycles += FRONTEND_CYCLES;
    for (size_t i = 0; i < count; i++, frontend->received++) {
        if (frontend->received >= CLIP_SAMPLES) {
            return FRONTEND_CLIP_FULL;
        }
        if (frontend->received % HOP == 0) {
            features[frontend->received / HOP] = (int8_t)(uint8_t)(pcm[i] & 0xFF);
        }
    }
    return FRONTEND_OK;
}

bool frontend_can_follow(const struct frontend_config *tables) {
    return follows && tables->frames == FRAMES;
}

size_t frontend_follow(struct frontend *frontend, const int16_t *pcm, size_t count, int8_t *features, bool *moved) {
    static int8_t column[MELS];
    size_t taken = 0;
    *moved = false;
    while (taken < count && !*moved) {
        const uint32_t place = frontend->received++ % COLUMN;
        if (place < MELS) {
            column[place] = (int8_t)(uint8_t)(pcm[taken] & 0xFF);
        }
        *moved = place == COLUMN - 1;
        taken++;
    }
    for (size_t m = 0; *moved && m < MELS; m++) {
        memmove(features + m * FRAMES, features + m * FRAMES + 1, FRAMES - 1);
        features[m * FRAMES + FRAMES - 1] = column[m];
    }
    return taken;
}

const float *frontend_probe(
    struct frontend *frontend, const int16_t *samples, enum frontend_stage stage, size_t *count) {
    *count = WINDOW + (size_t)stage;
    for (size_t i = 0; i < *count; i++) {
        frontend->signal[i] = (float)(samples[i % WINDOW] + 1000 * (int)stage);
    }
    return frontend->signal;
}

static void model(void *arena, const int8_t *input, int8_t *output) {
    (void)arena;
    clock_cycles += MODEL_CYCLES;
    request_at_model = request_under_way;
    for (size_t i = 0; i < CLASSES; i++) {
        output[i] = (int8_t)(uint8_t)(input[i] + 1);
    }
}

static void profile(void *arena, const int8_t *input, int8_t *output, uint32_t (*clock)(void), uint32_t *layer_ticks) {
    uint32_t last = clock();
    for (uint32_t i = 0; i < LAYERS; i++) {
        clock_cycles += i * LAYER_CYCLES;
        uint32_t now = clock();
        layer_ticks[i] = now - last;
        last = now;
    }
    model(arena, input, output);
}

static void write_line(const uint8_t *bytes, size_t count) {
    if (count <= sizeof line.bytes - line.count) {
        memcpy(line.bytes + line.count, bytes, count);
        line.count += count;
    }
}

static uint32_t cycles(void) {
    return clock_cycles += LOOK_CYCLES;
}

static uint32_t overruns(void) {
    return 77;
}

static bool start_recorder(int32_t gain) {
    recorder.gain = gain;
    return recorder.starts;
}

static void stop_recorder(void) {
    recorder.gain = NOT_RECORDING;
}

static size_t read_recorder(int16_t *samples, size_t capacity) {
    const size_t left = recorder.count - recorder.read, taken = left < capacity ? left : capacity;
    memcpy(samples, recorder.samples + recorder.read, taken * sizeof *samples);
    recorder.read += taken;
    return taken;
}

static uint32_t lost_by_recorder(void) {
    return recorder.lost;
}

static struct microphone microphone = {
    .start = start_recorder, .stop = stop_recorder, .read = read_recorder, .lost = lost_by_recorder};

// A board that restarts would not return; this one writes that it did, and continues.
static void restart(void) {
    write_line((const uint8_t *)"restarted", 9);
    scene.leave = NULL;
}

static void boot_loader(void) {
    write_line((const uint8_t *)"boot loader", 11);
    scene.leave = NULL;
}

static size_t take_written(uint8_t *written, size_t capacity) {
    size_t count = line.count < capacity ? line.count : capacity;
    memcpy(written, line.bytes, count);
    line.count = 0;
    return count;
}

// Flips a bit of the constants; harness_reset() makes them good.
void harness_damage(size_t position) {
    constants[position] ^= 1u;
}

// Flips a bit of the record of the last crash; returns how many it has.
size_t harness_flip(size_t bit) {
    ((uint8_t *)&record)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    return 8 * sizeof record;
}

// Type of the request that was under way when the model ran last, plus 256 times that of now.
uint32_t harness_request(void) {
    return (request_at_model & 0xFFu) | (request_under_way & 0xFFu) << 8;
}

void harness_reset(enum scene_output_kind kind) {
    for (size_t i = 0; i < CONSTANTS; i++) {
        constants[i] = (uint8_t)(i * i & 0xFFu);
    }
    port.constants = (struct self_test_constants){constants, CONSTANTS, crc32(0, constants, CONSTANTS)};
    crash_forget();
    harness_boot(kind, RESET_POWER);
}

void harness_boot(enum scene_output_kind kind, enum reset_cause cause) {
    crash_begin(cause);
    const struct scene_memory memory = {.history = history,
        .history_samples = HISTORY,
        .work = work,
        .work_floats = WORK,
        .image = image,
        .outputs = outputs,
        .posteriors = posteriors,
        .ticks = ticks};
    bundle = (struct scene_bundle){.name = "foretold",
        .identity = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF},
        .labels = labels,
        .classes = CLASSES,
        .output_kind = kind,
        .output_scale = kind == SCENE_LOGITS ? 0.125f : 1.0f / 256.0f,
        .output_zero_point = kind == SCENE_LOGITS ? -3 : -128,
        .frontend = &config,
        .run = model,
        .profile = profile,
        .layers = LAYERS};
    port.write = write_line;
    port.cycles = cycles;
    port.overruns = overruns;
    port.microphone = &microphone;
    port.restart = restart;
    port.boot_loader = has_boot_loader ? boot_loader : NULL;
    port.intended_clock_hz = 80000000;
    port.reset_cause = cause;
    port.stack = (struct self_test_stack){stack, stack + STACK_WORDS};
    for (size_t i = 0; i < STACK_WORDS; i++) {
        stack[i] = i < STACK_WORDS - USED_WORDS ? SELF_TEST_PAINT : 0;
    }
    memset(image, 0, sizeof image);
    memset(history, 0, sizeof history);
    harness_set_microphone(config.sample_rate, true, true);
    harness_record(NULL, 0, 0);
    recorder.gain = NOT_RECORDING;
    line.count = 0;
    clock_cycles = 0xFFFFF000u; // wraps early on
    (void)scene_init(&scene, &bundle, &port, &memory);
}

// Gives the bundle as many classes as there can be, all with this label.
void harness_label_all(const char *label) {
    for (size_t i = 0; i < MOST_CLASSES; i++) {
        long_labels[i] = label;
    }
    bundle.labels = long_labels;
    bundle.classes = MOST_CLASSES;
}

void harness_reset_with_boot_loader(bool present) {
    has_boot_loader = present;
    harness_reset(SCENE_LOGITS);
}

// Gives the scene `count` bytes; what it wrote goes to `written`, and how much is returned.
size_t harness_receive(const uint8_t *bytes, size_t count, uint8_t *written, size_t capacity) {
    scene_receive(&scene, bytes, count);
    return take_written(written, capacity);
}

size_t harness_greet(uint8_t *written, size_t capacity) {
    scene_greet(&scene);
    return take_written(written, capacity);
}

// What the microphone records next, and what it has lost.
void harness_record(const int16_t *samples, size_t count, uint32_t lost) {
    if (count > 0) {
        memcpy(recorder.samples, samples, count * sizeof *samples);
    }
    recorder.count = count;
    recorder.read = 0;
    recorder.lost = lost;
}

// Lets the scene listen until it has nothing more to do.
size_t harness_listen(uint8_t *written, size_t capacity) {
    while (scene_listen(&scene)) {
    }
    return take_written(written, capacity);
}

// The gain of the microphone, or NOT_RECORDING.
int32_t harness_gain(void) {
    return recorder.gain;
}

void harness_set_microphone(uint32_t rate, bool starts, bool may_follow) {
    microphone.rate = rate;
    recorder.starts = starts;
    follows = may_follow;
}
