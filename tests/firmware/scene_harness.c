// lib/scene and lib/link with a front end and a model that are easily foretold, for tests/firmware/test_scene.py.
//
// The front end: of a clip of 1000 samples, cell i of the 4 x 5 image is the low byte of sample 50 * i. The model:
// output c is cell c plus 1, modulo 256. The clock advances by 25 cycles at each look, the front end's and the model's
// time by their own; each of LAYERS layers takes its number times LAYER_CYCLES, and a look. A probe of n samples: value
// i of stage s, of n + s values, is sample i modulo n plus 1000 s.
#include <string.h>

#include "scene.h"

enum { MELS = 4, FRAMES = 5, CLASSES = 3, CLIP_SAMPLES = 1000, HOP = CLIP_SAMPLES / (MELS * FRAMES) };
enum { WINDOW = 700, HISTORY = WINDOW + 1, WORK = WINDOW + FRONTEND_STAGE_LOG };
enum { FRONTEND_CYCLES = 250, MODEL_CYCLES = 2500, LOOK_CYCLES = 25 };
enum { LAYERS = 300, LAYER_CYCLES = 10 }; // more layers than one answer carries

void harness_reset(enum scene_output_kind kind);
size_t harness_receive(const uint8_t *bytes, size_t count, uint8_t *written, size_t capacity);
size_t harness_greet(uint8_t *written, size_t capacity);

static const char *const labels[CLASSES] = {"bus", "metro_station", "park"};
static const struct frontend_config config = {
    .sample_rate = 8000, .clip_samples = CLIP_SAMPLES, .win_length = WINDOW, .mels = MELS, .frames = FRAMES};

static struct {
    uint8_t bytes[8192];
    size_t count;
} line;
static uint32_t clock_cycles;
static int16_t history[HISTORY];
static float work[WORK];
static int8_t image[MELS * FRAMES], outputs[CLASSES];
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
    for (size_t i = 0; i < count; ++i, ++frontend->received) {
        if (frontend->received >= CLIP_SAMPLES) {
            return FRONTEND_CLIP_FULL;
        }
        if (frontend->received % HOP == 0) {
            features[frontend->received / HOP] = (int8_t)(uint8_t)(pcm[i] & 0xFF);
        }
    }
    return FRONTEND_OK;
}

const float *frontend_probe(
    struct frontend *frontend, const int16_t *samples, enum frontend_stage stage, size_t *count) {
    *count = WINDOW + (size_t)stage;
    for (size_t i = 0; i < *count; ++i) {
        frontend->signal[i] = (float)(samples[i % WINDOW] + 1000 * (int)stage);
    }
    return frontend->signal;
}

static void model(void *arena, const int8_t *input, int8_t *output) {
    (void)arena;
    clock_cycles += MODEL_CYCLES;
    for (size_t i = 0; i < CLASSES; ++i) {
        output[i] = (int8_t)(uint8_t)(input[i] + 1);
    }
}

static void profile(void *arena, const int8_t *input, int8_t *output, uint32_t (*clock)(void), uint32_t *layer_ticks) {
    uint32_t last = clock();
    for (uint32_t i = 0; i < LAYERS; ++i) {
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

static size_t take_written(uint8_t *written, size_t capacity) {
    size_t count = line.count < capacity ? line.count : capacity;
    memcpy(written, line.bytes, count);
    line.count = 0;
    return count;
}

void harness_reset(enum scene_output_kind kind) {
    const struct scene_port port = {"harness", "1.2.3", write_line, cycles, overruns, 25000000};
    const struct scene_memory memory = {.history = history,
        .history_samples = HISTORY,
        .work = work,
        .work_floats = WORK,
        .image = image,
        .outputs = outputs,
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
    memset(image, 0, sizeof image);
    memset(history, 0, sizeof history);
    line.count = 0;
    clock_cycles = 0xFFFFF000u; // wraps early on
    (void)scene_init(&scene, &bundle, &port, &memory);
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
