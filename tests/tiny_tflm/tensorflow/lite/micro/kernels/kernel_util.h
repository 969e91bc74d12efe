#pragma once

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite {
namespace micro {

const TfLiteEvalTensor *GetEvalInput(const TfLiteContext *context, const TfLiteNode *node, int index);
TfLiteEvalTensor *GetEvalOutput(const TfLiteContext *context, const TfLiteNode *node, int index);

template <typename T> T *GetTensorData(TfLiteEvalTensor *tensor) {
    return static_cast<T *>(tensor->data.data);
}

template <typename T> const T *GetTensorData(const TfLiteEvalTensor *tensor) {
    return static_cast<const T *>(tensor->data.data);
}

TFLMRegistration RegisterOp(void *(*init)(TfLiteContext *context, const char *buffer, size_t length),
    TfLiteStatus (*prepare)(TfLiteContext *context, TfLiteNode *node),
    TfLiteStatus (*invoke)(TfLiteContext *context, TfLiteNode *node));

} // namespace micro
} // namespace tflite
