// Test image: finds the least arena with which the model can be planned, writes it as uint32 to arena.bin, runs the
// model in an arena of exactly that size on the vectors of inputs.bin, and writes the outputs to outputs.bin and the
// instructions of each inference, as uint32, to instructions.bin.
//
// Where there is a file expected.bin, with what each operator ought to make for each vector, it writes to
// differences.bin how many bytes each operator made differently, as uint32, and continues with what it ought to have
// made: so each operator is judged by itself.
#include <stdbool.h>
#include <string.h>

#include "mps2.h"
#include "semihost.h"
#include "tflm.h"

enum { DONE, CANNOT_OPEN, CANNOT_WRITE, DOES_NOT_FIT, FAILED, OUT_OF_BOUNDS };
enum { STEP = 16, MOST_ARENA = 1 << 21, MOST_TENSOR = 1 << 19, RUBBISH = 0xA5 };

static _Alignas(STEP) uint8_t arena[MOST_ARENA + STEP];
static _Alignas(4) int8_t input[INPUT_BYTES], output[OUTPUT_BYTES];

// Looks upwards from what the plan takes: in less, kernels of TensorFlow Lite Micro write through pointers that are
// NULL, which here is the vector table. 0: none is enough.
static uint32_t least_arena(void) {
    if (!tflm_begin(arena, MOST_ARENA)) {
        return 0;
    }
    uint32_t bytes = (uint32_t)(tflm_used_bytes() + STEP - 1) / STEP * STEP;
    while (bytes < MOST_ARENA && !tflm_begin(arena, bytes)) {
        bytes += STEP;
    }
    return bytes;
}

static int32_t expected, differences;
static bool traced = true;

static void compare(void *output, size_t bytes) {
    static uint8_t wanted[MOST_TENSOR];
    uint8_t *made = output;
    uint32_t different = 0;
    traced = traced && bytes <= sizeof wanted && semihost_read(expected, wanted, bytes) == bytes;
    for (size_t i = 0; traced && i < bytes; i++) {
        different += made[i] != wanted[i];
    }
    traced = traced && semihost_write(differences, &different, sizeof different) == sizeof different;
    memcpy(output, wanted, traced ? bytes : 0);
}

static bool write(const char *name, const void *bytes, size_t count) {
    const int32_t file = semihost_open(name, SEMIHOST_WRITE);
    const bool done = file >= 0 && semihost_write(file, bytes, count) == count;
    semihost_close(file);
    return done;
}

static int run_vectors(int32_t inputs, int32_t outputs, int32_t counts) {
    while (semihost_read(inputs, input, sizeof input) == sizeof input) {
        timer0_start();
        const uint32_t begin = timer0_ticks();
        const bool done = tflm_run(input, output);
        const uint32_t instructions = timer0_instructions(timer0_ticks() - begin);
        if (!done) {
            return FAILED;
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

int main(void) {
    const uint32_t bytes = least_arena();
    for (uint32_t i = bytes; i < sizeof arena; i++) {
        arena[i] = RUBBISH;
    }
    if (bytes == 0 || !tflm_begin(arena, bytes)) {
        return DOES_NOT_FIT;
    }
    const int32_t inputs = semihost_open("inputs.bin", SEMIHOST_READ);
    const int32_t outputs = semihost_open("outputs.bin", SEMIHOST_WRITE);
    const int32_t counts = semihost_open("instructions.bin", SEMIHOST_WRITE);
    if (inputs < 0 || outputs < 0 || counts < 0) {
        return CANNOT_OPEN;
    }
    expected = semihost_open("expected.bin", SEMIHOST_READ);
    if (expected >= 0) {
        differences = semihost_open("differences.bin", SEMIHOST_WRITE);
        tflm_after_operator = compare;
    }
    const int error = run_vectors(inputs, outputs, counts);
    if (!traced) {
        return CANNOT_OPEN;
    }
    semihost_close(differences);
    for (uint32_t i = bytes; i < sizeof arena; i++) {
        if (arena[i] != RUBBISH) {
            return OUT_OF_BOUNDS;
        }
    }
    return error || write("arena.bin", &bytes, sizeof bytes) ? error : CANNOT_WRITE;
}
