// The engine's private rounding functions, exported for the test that compares them with their Python twins.
#include "engine_requantise.h"

int32_t exported_scale(int32_t value, int32_t multiplier, int32_t shift);
int32_t exported_shift_right(int32_t value, int32_t exponent);

int32_t exported_quick(int32_t value, int32_t multiplier, int32_t offset, int32_t shift);

int32_t exported_quick(int32_t value, int32_t multiplier, int32_t offset, int32_t shift) {
    return engine_quick(value, (struct engine_quick_factor){multiplier, offset, shift});
}

int32_t exported_scale(int32_t value, int32_t multiplier, int32_t shift) {
    return engine_scale(value, (struct engine_factor){multiplier, shift});
}

int32_t exported_shift_right(int32_t value, int32_t exponent) {
    return engine_shift_right(value, exponent);
}
