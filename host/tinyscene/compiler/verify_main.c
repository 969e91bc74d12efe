// Test image of `tinyscene verify --board mps2`: runs each model of the generated table on its vectors of inputs.bin,
// writes the outputs to outputs.bin and the instructions of each inference, as uint32, to instructions.bin.
//
// The arena is exactly as large as the model says, filled with rubbish before each run, between guards that are checked
// after it.
#include <stdbool.h>
#include <string.h>

#include "models.h"
#include "mps2.h"
#include "semihost.h"

enum { DONE, CANNOT_OPEN, CANNOT_WRITE, OUT_OF_BOUNDS };
enum { GUARD_BYTES = 64, RUBBISH = 0xA5, MODEL_COUNT = sizeof MODELS / sizeof *MODELS };

struct guarded_arena {
    _Alignas(16) uint8_t before[GUARD_BYTES];
    uint8_t bytes[(MOST_ARENA + 15) / 16 * 16 + GUARD_BYTES];
};
static struct guarded_arena arena;
static _Alignas(4) uint8_t input[MOST_INPUT];
static _Alignas(4) uint8_t output[MOST_OUTPUT];
static int32_t inputs, outputs, counts;

static bool untouched(const uint8_t *guard) {
    for (int i = 0; i < GUARD_BYTES; i++) {
        if (guard[i] != RUBBISH) {
            return false;
        }
    }
    return true;
}

static uint32_t timed_run(const struct model *model) {
    timer0_start();
    const uint32_t begin = timer0_ticks();
    model->run(arena.bytes, input, output);
    return timer0_instructions(timer0_ticks() - begin);
}

static int run_vector(const struct model *model) {
    if (semihost_read(inputs, input, model->input_bytes) != model->input_bytes) {
        return CANNOT_OPEN;
    }
    memset(&arena, RUBBISH, sizeof arena);
    const uint32_t instructions = timed_run(model);
    if (!untouched(arena.before) || !untouched(arena.bytes + model->arena_bytes)) {
        return OUT_OF_BOUNDS;
    }
    const bool written = semihost_write(outputs, output, model->output_bytes) == model->output_bytes &&
                         semihost_write(counts, &instructions, sizeof instructions) == sizeof instructions;
    return written ? DONE : CANNOT_WRITE;
}

int main(void) {
    inputs = semihost_open("inputs.bin", SEMIHOST_READ);
    outputs = semihost_open("outputs.bin", SEMIHOST_WRITE);
    counts = semihost_open("instructions.bin", SEMIHOST_WRITE);
    if (inputs < 0 || outputs < 0 || counts < 0) {
        return CANNOT_OPEN;
    }
    for (int i = 0; i < MODEL_COUNT; i++) {
        for (int vector = 0; vector < MODELS[i].vectors; vector++) {
            const int error = run_vector(&MODELS[i]);
            if (error) {
                return error;
            }
        }
    }
    semihost_close(counts);
    semihost_close(outputs);
    return DONE;
}
