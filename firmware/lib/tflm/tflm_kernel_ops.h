// The entries of tflm_ops for operators that the engine carries out.
#ifndef TFLM_KERNEL_OPS_H
#define TFLM_KERNEL_OPS_H

#include "tflm_ops.h"

// The options are in the generated tables already.
TfLiteStatus tflm_parse_nothing(
    const tflite::Operator *op, tflite::ErrorReporter *reporter, tflite::BuiltinDataAllocator *allocator, void **data);

// Prepare looks up the operator's tables and asks for its scratch; Eval calls the engine.
TFLMRegistration tflm_register_kernel();

#endif
