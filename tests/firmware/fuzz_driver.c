// Calls LLVMFuzzerTestOneInput() with mutations of a corpus where there is no libFuzzer: the same ones for the same
// seed, and no feedback. Usage: PROGRAM SEED EXECUTIONS FILE...
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 8192, MOST_MUTATIONS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct input {
    uint8_t bytes[MOST_BYTES];
    size_t size;
};

static uint64_t state;

// xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. Below `end`, not 0.
static size_t below(size_t end) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)((state * 2685821657736338717u) >> 33) % end;
}

static uint8_t interesting(void) {
    static const uint8_t values[] = {
        0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, 0x02, 0x10, 0x20, 0x21, 0x30, 0x31, 0x40, 0x41};
    size_t choice = below(2 * sizeof values);
    return choice < sizeof values ? values[choice] : (uint8_t)below(256);
}

// Puts `count` bytes in at `place`, as many as there is room for; they may be the input's own.
static void insert(struct input *input, size_t place, const uint8_t *bytes, size_t count) {
    static uint8_t copy[MOST_BYTES];
    count = count < MOST_BYTES - input->size ? count : MOST_BYTES - input->size;
    memcpy(copy, bytes, count);
    memmove(input->bytes + place + count, input->bytes + place, input->size - place);
    memcpy(input->bytes + place, copy, count);
    input->size += count;
}

static void mutate(struct input *input, const struct input *other) {
    if (input->size == 0) {
        insert(input, 0, other->bytes, other->size);
        return;
    }
    size_t place = below(input->size);
    size_t count = 1 + below(input->size - place);
    switch (below(6)) {
    case 0:
        input->bytes[place] = (uint8_t)(input->bytes[place] ^ 1u << below(8));
        break;
    case 1:
        input->bytes[place] = interesting();
        break;
    case 2:
        insert(input, place, &(uint8_t){interesting()}, 1);
        break;
    case 3:
        memmove(input->bytes + place, input->bytes + place + count, input->size - place - count);
        input->size -= count;
        break;
    case 4:
        insert(input, below(input->size), input->bytes + place, count);
        break;
    default:
        insert(input, place, other->bytes, other->size);
        break;
    }
}

static struct input *read_corpus(size_t count, char **paths) {
    struct input *corpus = calloc(count, sizeof *corpus);
    for (size_t i = 0; corpus && i < count; i++) {
        FILE *file = fopen(paths[i], "rb");
        if (!file) {
            perror(paths[i]);
            exit(2);
        }
        corpus[i].size = fread(corpus[i].bytes, 1, MOST_BYTES, file);
        fclose(file);
    }
    return corpus;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: PROGRAM SEED EXECUTIONS FILE...\n", stderr);
        return 2;
    }
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    unsigned long long executions = strtoull(argv[2], NULL, 10);
    size_t count = (size_t)argc - 3;
    struct input *corpus = read_corpus(count, argv + 3);
    static struct input input;
    for (unsigned long long run = 0; corpus && run < executions; run++) {
        input = corpus[run < count ? run : below(count)];
        for (size_t left = run < count ? 0 : 1 + below(MOST_MUTATIONS); left > 0; left--) {
            mutate(&input, &corpus[below(count)]);
        }
        // at the end of the memory, so that a read beyond it is seen
        uint8_t *exact = malloc(input.size + 1);
        memcpy(exact + 1, input.bytes, input.size);
        LLVMFuzzerTestOneInput(exact + 1, input.size);
        free(exact);
    }
    free(corpus);
    printf("%llu executions\n", executions);
    return corpus ? 0 : 2;
}
