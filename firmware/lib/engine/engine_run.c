// Streams rows through a group of layers, so that only a few rows of what lies between them exist at a time.
#include <stdbool.h>

#include "engine_view.h"

struct progress {
    struct engine_rows tensors[ENGINE_MAX_TENSORS];
    int32_t made[ENGINE_MAX_TENSORS]; // finished rows
    int32_t done[ENGINE_MAX_STAGES];  // steps taken
};

// The first row that a step writes, which is how many rows the steps before it have finished.
static inline int32_t first_row(const struct engine_stage *stage, int32_t step) {
    return step / stage->steps * stage->rows;
}

// Whether a stage has a step left and finds the rows that it needs.
static bool ready(const struct engine_stage *stage, const struct progress *progress, int32_t step) {
    const int32_t row = first_row(stage, step);
    if (row >= progress->tensors[stage->target].height) {
        return false;
    }
    for (int32_t i = 0; i < stage->source_count; i++) {
        const struct engine_need *need = &stage->needs[i];
        const int32_t below = need->per_row * row + need->per_step * (step % stage->steps) + need->reach;
        const int32_t tensor = stage->sources[i];
        if (progress->made[tensor] < engine_smaller(below, progress->tensors[tensor].height)) {
            return false;
        }
    }
    return true;
}

static void take_step(const struct engine_stage *stage, struct progress *progress, int32_t step, void *scratch) {
    struct engine_rows sources[ENGINE_MAX_SOURCES];
    for (int32_t i = 0; i < stage->source_count; i++) {
        sources[i] = progress->tensors[stage->sources[i]];
    }
    const struct engine_rows *target = &progress->tensors[stage->target];
    int8_t *output = target->base + first_row(stage, step) % target->capacity * target->row_bytes;
    void *const own = stage->state ? (int8_t *)scratch + stage->state : scratch;
    stage->function(stage->layer, sources, step, output, own);
    progress->made[stage->target] = engine_smaller(first_row(stage, step + 1), target->height);
}

void engine_run(
    const struct engine_group *group, const int8_t *const *bases, void *scratch, struct engine_profile *profile) {
    struct progress progress;
    for (int32_t i = 0; i < group->tensor_count; i++) {
        progress.tensors[i] = group->tensors[i];
        progress.tensors[i].base = (int8_t *)bases[i]; // tensors that no stage writes are only read
        progress.made[i] = group->tensors[i].height;
    }
    for (int32_t i = 0; i < group->stage_count; i++) {
        progress.made[group->stages[i].target] = 0;
        progress.done[i] = 0;
    }
    for (int32_t i = group->stage_count - 1; i >= 0;) {
        const struct engine_stage *stage = &group->stages[i];
        if (ready(stage, &progress, progress.done[i])) {
            take_step(stage, &progress, progress.done[i]++, scratch);
            engine_lap(profile, group->first_layer + i);
            i = group->stage_count - 1;
        } else {
            i--;
        }
    }
}
