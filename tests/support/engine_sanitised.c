// Runs generated models on the vectors of inputs.bin and writes outputs.bin, with arena, input and output on the heap,
// where the sanitizers of the host's compiler see every byte outside them.
#include <stdio.h>
#include <stdlib.h>

#include "models.h"

static int run_vector(const struct model *model, FILE *inputs, FILE *outputs) {
    void *arena = aligned_alloc(16, (model->arena_bytes + 16) / 16 * 16);
    void *input = malloc(model->input_bytes), *output = malloc(model->output_bytes);
    if (!arena || !input || !output || fread(input, 1, model->input_bytes, inputs) != model->input_bytes) {
        return 1;
    }
    model->run(arena, input, output);
    const int failed = fwrite(output, 1, model->output_bytes, outputs) != model->output_bytes;
    free(arena);
    free(input);
    free(output);
    return failed;
}

int main(void) {
    FILE *inputs = fopen("inputs.bin", "rb"), *outputs = fopen("outputs.bin", "wb");
    if (!inputs || !outputs) {
        return 1;
    }
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        for (int vector = 0; vector < MODELS[i].vectors; vector++) {
            if (run_vector(&MODELS[i], inputs, outputs)) {
                return 1;
            }
        }
    }
    fclose(inputs);
    fclose(outputs);
    return 0;
}
