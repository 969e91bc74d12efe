#pragma once

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite {

TfLiteStatus TfLiteEvalTensorByteLength(const TfLiteEvalTensor *tensor, size_t *bytes);

} // namespace tflite
