// The firmware's seam (model.h) where TensorFlow Lite Micro is the runtime.
#include "model.h"
#include "tflm.h"

// The interpreter keeps its arena, so it is planned once, in the first inference. That and inferences fail where the
// generated files contradict each other: a fault, which the board records, is better than a wrong answer.
static void begin(void *arena) {
    static bool begun;
    if (!begun && !tflm_begin(arena, MODEL_ARENA_BYTES)) {
        __builtin_trap();
    }
    begun = true;
}

void model_run(void *arena, const int8_t *input, int8_t *output) {
    begin(arena);
    if (!tflm_run(input, output)) {
        __builtin_trap();
    }
}

void model_profile(void *arena, const int8_t *input, int8_t *output, uint32_t (*clock)(void), uint32_t *ticks) {
    begin(arena);
    if (!tflm_profile(input, output, clock, ticks)) {
        __builtin_trap();
    }
}
