// Test image of `tinyscene verify --on mps2`: runs the generated model on every vector of inputs.bin, writes the
// outputs to outputs.bin and the instructions of each inference, as uint32, to instructions.bin.
//
// The arena is exactly as large as the model says, filled with rubbish before each run, between guards that are checked
// after it.
#include <stdbool.h>
#include <string.h>

#include "model.h"
#include "mps2.h"
#include "semihost.h"

enum { DONE, CANNOT_OPEN, CANNOT_WRITE, OUT_OF_BOUNDS };
enum { GUARD_BYTES = 64, RUBBISH = 0xA5 };

struct guarded_arena {
    _Alignas(16) uint8_t before[GUARD_BYTES];
    uint8_t bytes[(MODEL_ARENA_BYTES + 15) / 16 * 16 + GUARD_BYTES];
};
static struct guarded_arena arena;
static _Alignas(4) int8_t input[MODEL_INPUT_BYTES];
static _Alignas(4) int8_t output[MODEL_OUTPUT_BYTES];

static bool untouched(const uint8_t *guard) {
    for (int i = 0; i < GUARD_BYTES; i++) {
        if (guard[i] != RUBBISH) {
            return false;
        }
    }
    return true;
}

static uint32_t timed_run(void) {
    timer0_start();
    const uint32_t begin = timer0_ticks();
    model_run(arena.bytes, input, output);
    return timer0_instructions(timer0_ticks() - begin);
}

int main(void) {
    const int32_t inputs = semihost_open("inputs.bin", SEMIHOST_READ);
    const int32_t outputs = semihost_open("outputs.bin", SEMIHOST_WRITE);
    const int32_t counts = semihost_open("instructions.bin", SEMIHOST_WRITE);
    if (inputs < 0 || outputs < 0 || counts < 0) {
        return CANNOT_OPEN;
    }
    while (semihost_read(inputs, input, sizeof input) == sizeof input) {
        memset(&arena, RUBBISH, sizeof arena);
        const uint32_t instructions = timed_run();
        if (!untouched(arena.before) || !untouched(arena.bytes + MODEL_ARENA_BYTES)) {
            return OUT_OF_BOUNDS;
        }
        if (semihost_write(outputs, output, sizeof output) != sizeof output ||
            semihost_write(counts, &instructions, sizeof instructions) != sizeof instructions) {
            return CANNOT_WRITE;
        }
    }
    semihost_close(counts);
    semihost_close(outputs);
    return DONE;
}
