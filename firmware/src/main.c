// The firmware: bytes from the board's serial port to the scene classifier, and sleep between them.
#include "board.h"
#include "bundle.h"
#include "frontend_tables.h"
#include "model.h"
#include "scene.h"

#include <string.h>

// All the memory that depends on the bundle; the rest is in `scene` and in the stack.
static int16_t history[FRONTEND_HISTORY_SAMPLES];
static float work[FRONTEND_WORK_FLOATS];
static int8_t image[MODEL_INPUT_BYTES];
static int8_t outputs[MODEL_OUTPUT_BYTES];
static _Alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
static uint32_t ticks[MODEL_LAYERS];
static struct scene scene;

// The tables contradict each other: nothing can be computed, and a host should hear of it.
static void refuse(void) {
    static const char message[] = "# tinyscene: the generated tables do not fit together; export the bundle again\r\n";
    board_write((const uint8_t *)message, strlen(message));
    for (;;) {
        board_idle();
    }
}

int main(void) {
    board_init();
    const struct scene_port port = {
        .board = board_name,
        .firmware = TINYSCENE_VERSION,
        .write = board_write,
        .cycles = board_cycles,
        .overruns = board_overruns,
        .clock_hz = board_clock_hz(),
    };
    const struct scene_memory memory = {
        .history = history,
        .history_samples = FRONTEND_HISTORY_SAMPLES,
        .work = work,
        .work_floats = FRONTEND_WORK_FLOATS,
        .image = image,
        .outputs = outputs,
        .arena = arena,
        .ticks = ticks,
    };
    if (scene_init(&scene, &scene_bundle, &port, &memory) != FRONTEND_OK) {
        refuse();
    }
    scene_greet(&scene);
    for (;;) {
        uint8_t bytes[64];
        size_t count = board_read(bytes, sizeof bytes);
        if (count > 0) {
            scene_receive(&scene, bytes, count);
        } else {
            board_idle();
        }
    }
}
