// The checks of self_test.h.
#include "self_test.h"

#include "crc32.h"

bool self_test_constants_are_whole(const struct self_test_constants *constants) {
    return crc32(0, constants->bytes, constants->count) == constants->crc;
}

size_t self_test_stack_used(const struct self_test_stack *stack) {
    const uint32_t *mark = stack->bottom;
    while (mark < stack->top && *mark == SELF_TEST_PAINT) {
        mark++;
    }
    return (size_t)(stack->top - mark) * sizeof *mark;
}
