// Declarations as TensorFlow Lite Micro has them, as far as firmware/lib/tflm uses them.
#pragma once

#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

struct TfLiteIntArray {
    int size;
    int data[3];
};

struct TfLiteNode {
    TfLiteIntArray *inputs, *outputs;
    void *user_data;
};

struct TfLiteContext {
    void *(*AllocatePersistentBuffer)(TfLiteContext *context, size_t bytes);
    TfLiteStatus (*RequestScratchBufferInArena)(TfLiteContext *context, size_t bytes, int *index);
    void *(*GetScratchBuffer)(TfLiteContext *context, int index);
};

struct TfLiteTensor {
    union {
        int8_t *int8;
    } data;
    size_t bytes;
};

struct TfLiteEvalTensor {
    union {
        void *data;
    } data;
    size_t bytes;
};

struct TFLMRegistration {
    void *(*init)(TfLiteContext *context, const char *buffer, size_t length);
    TfLiteStatus (*prepare)(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus (*invoke)(TfLiteContext *context, TfLiteNode *node);
    int32_t builtin_code;
};

namespace tflite {

enum BuiltinOperator { BuiltinOperator_CONV_2D, BuiltinOperator_FULLY_CONNECTED, BuiltinOperator_MEAN };

struct Operator;
struct ErrorReporter;
struct BuiltinDataAllocator;
using TfLiteBridgeBuiltinParseFunction = TfLiteStatus (*)(
    const Operator *op, ErrorReporter *reporter, BuiltinDataAllocator *allocator, void **data);

class MicroOpResolver {
  public:
    virtual const TFLMRegistration *FindOp(BuiltinOperator code) const = 0;
    virtual const TFLMRegistration *FindOp(const char *name) const = 0;
    virtual TfLiteBridgeBuiltinParseFunction GetOpDataParser(BuiltinOperator code) const = 0;
    virtual ~MicroOpResolver() {
    }
};

} // namespace tflite
