#include "tflm.h"

#include <cstring>
#include <new>

#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tflm_ops.h"

namespace {

alignas(tflite::MicroInterpreter) uint8_t place[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter *interpreter;

struct {
    uint32_t (*clock)();
    uint32_t last;   // when the last operator ended
    uint32_t *ticks; // where those of the next one go
} profile;

void lap(void *, size_t) {
    const uint32_t now = profile.clock();
    *profile.ticks++ = now - profile.last;
    profile.last = now;
}

} // namespace

// What the compiler and TensorFlow Lite Micro call where nothing is left to do: fault, so that the board records it.
extern "C" void __cxa_pure_virtual();
extern "C" void __cxa_pure_virtual() {
    __builtin_trap();
}
extern "C" void abort() {
    __builtin_trap();
}

bool tflm_begin(void *arena, size_t bytes) {
    interpreter = new (place) tflite::MicroInterpreter(
        tflite::GetModel(tflm_flatbuffer), tflm_make_resolver(), static_cast<uint8_t *>(arena), bytes);
    return interpreter->initialization_status() == kTfLiteOk && interpreter->AllocateTensors() == kTfLiteOk;
}

size_t tflm_used_bytes() {
    return interpreter->arena_used_bytes();
}

bool tflm_run(const int8_t *input, int8_t *output) {
    TfLiteTensor *from = interpreter->input(0);
    std::memcpy(from->data.int8, input, from->bytes);
    if (interpreter->Invoke() != kTfLiteOk) {
        return false;
    }
    const TfLiteTensor *to = interpreter->output(0);
    std::memcpy(output, to->data.int8, to->bytes);
    return true;
}

bool tflm_profile(const int8_t *input, int8_t *output, uint32_t (*clock)(), uint32_t *ticks) {
    profile = {clock, clock(), ticks};
    tflm_after_operator = lap;
    const bool done = tflm_run(input, output);
    tflm_after_operator = nullptr;
    return done;
}
