#pragma once

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite {

struct Model;
const Model *GetModel(const void *file);

// Of a network of CONV_2D, MEAN and FULLY_CONNECTED from INPUTS to OUTPUTS bytes.
class MicroInterpreter {
  public:
    static constexpr size_t INPUTS = 80 * 51, OUTPUTS = 5, MIDDLE = 8, ARENA = INPUTS + 2 * MIDDLE + OUTPUTS;

    MicroInterpreter(const Model *model, const MicroOpResolver &resolver, uint8_t *arena, size_t bytes);
    TfLiteStatus initialization_status() const;
    TfLiteStatus AllocateTensors();
    size_t arena_used_bytes() const {
        return ARENA;
    }
    TfLiteStatus Invoke();
    TfLiteTensor *input(size_t index);
    TfLiteTensor *output(size_t index);

  private:
    const MicroOpResolver &resolver_;
    const bool is_model_;
    const size_t bytes_;
    TfLiteTensor input_, output_;
};

} // namespace tflite
