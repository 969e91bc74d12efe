#pragma once

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite {

TfLiteStatus ParseConv2D(const Operator *op, ErrorReporter *reporter, BuiltinDataAllocator *allocator, void **data);
TfLiteStatus ParseFullyConnected(
    const Operator *op, ErrorReporter *reporter, BuiltinDataAllocator *allocator, void **data);
TfLiteStatus ParseReducer(const Operator *op, ErrorReporter *reporter, BuiltinDataAllocator *allocator, void **data);

TFLMRegistration Register_CONV_2D();
TFLMRegistration Register_FULLY_CONNECTED();
TFLMRegistration Register_MEAN();

} // namespace tflite
