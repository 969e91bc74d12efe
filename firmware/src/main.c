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
static float posteriors[(SCENE_MAX_SMOOTHING + 1) * MODEL_OUTPUT_BYTES];
static _Alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
static uint32_t ticks[MODEL_LAYERS];
static struct scene scene;

// From sections.ld: what was generated from the bundle, and the CRC-32 that the build has put behind it.
extern const uint8_t __constants_start[], __constants_end[];
extern const volatile uint32_t __constants_crc; // volatile: the compiler only knows its value in the source
extern const uint32_t __stack_bottom[], __stack_top[];

// The tables contradict each other: nothing can be computed, and the host is told why.
static void refuse(void) {
    static const char message[] = "# tinyscene: the generated tables do not fit together; export the bundle again\r\n";
    board_write((const uint8_t *)message, strlen(message));
    for (;;) {
        board_alive();
        board_idle();
    }
}

int main(void) {
    const enum reset_cause reset_cause = board_reset_cause();
    crash_begin(reset_cause);
    board_init();
    const struct scene_port port = {
        .board = board_name,
        .firmware = TINYSCENE_VERSION,
        .build = TINYSCENE_BUILD,
        .write = board_write,
        .cycles = board_cycles,
        .overruns = board_overruns,
        .clock_hz = board_clock_hz(),
        .microphone = board_microphone,
        .restart = board_restart,
        .boot_loader = board_boot_loader,
        .intended_clock_hz = board_intended_clock_hz(),
        .reset_cause = reset_cause,
        .constants = {__constants_start, (size_t)(__constants_end - __constants_start), __constants_crc},
        .stack = {__stack_bottom, __stack_top},
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
    if (scene_init(&scene, &scene_bundle, &port, &memory) != FRONTEND_OK) {
        refuse();
    }
    scene_greet(&scene);
    for (;;) {
        board_alive();
        uint8_t bytes[64];
        size_t count = board_read(bytes, sizeof bytes);
        if (count > 0) {
            scene_receive(&scene, bytes, count);
        } else if (!scene_listen(&scene)) {
            board_idle();
        }
    }
}
