// Runs a generated model on both extremes and on noise, arena, input and output on the heap, where the sanitizers of
// the host's compiler see every byte outside them.
#include <stdlib.h>

#include "model.h"

enum { RUNS = 3, EXTREMES = 2 };

int main(void) {
    uint32_t state = 1;
    for (int run = 0; run < RUNS; run++) {
        void *arena = aligned_alloc(16, (MODEL_ARENA_BYTES + 16) / 16 * 16);
        int8_t *input = malloc(MODEL_INPUT_BYTES), *output = malloc(MODEL_OUTPUT_BYTES);
        if (!arena || !input || !output) {
            return 1;
        }
        for (int i = 0; i < MODEL_INPUT_BYTES; i++) {
            state = state * 1664525u + 1013904223u;
            input[i] = (int8_t)(run < EXTREMES ? run * 255 - 128 : (int)(state >> 24) - 128);
        }
        model_run(arena, input, output);
        free(arena);
        free(input);
        free(output);
    }
    return 0;
}
