#include <cstring>

#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/memory_helpers.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace {

TfLiteEvalTensor tensors[4]; // between the operators, from the input on

} // namespace

namespace tflite {

const Model *GetModel(const void *file) {
    return static_cast<const Model *>(file);
}

MicroInterpreter::MicroInterpreter(const Model *model, const MicroOpResolver &resolver, uint8_t *arena, size_t bytes)
    : resolver_(resolver), is_model_(std::memcmp(reinterpret_cast<const char *>(model) + 4, "TFL3", 4) == 0),
      bytes_(bytes) {
    const size_t sizes[] = {INPUTS, MIDDLE, MIDDLE, OUTPUTS};
    for (int i = 0; i < 4; i++) {
        tensors[i].data.data = arena;
        tensors[i].bytes = sizes[i];
        arena += sizes[i];
    }
    input_.data.int8 = static_cast<int8_t *>(tensors[0].data.data);
    input_.bytes = INPUTS;
    output_.data.int8 = static_cast<int8_t *>(tensors[3].data.data);
    output_.bytes = OUTPUTS;
}

TfLiteStatus MicroInterpreter::initialization_status() const {
    return is_model_ ? kTfLiteOk : kTfLiteError;
}

TfLiteStatus MicroInterpreter::AllocateTensors() {
    return bytes_ < ARENA ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus MicroInterpreter::Invoke() {
    const BuiltinOperator ops[] = {BuiltinOperator_CONV_2D, BuiltinOperator_MEAN, BuiltinOperator_FULLY_CONNECTED};
    for (int i = 0; i < 3; i++) {
        const TFLMRegistration *registration = resolver_.FindOp(ops[i]);
        TfLiteIntArray from = {1, {i}}, to = {1, {i + 1}};
        TfLiteNode node = {&from, &to, nullptr};
        if (registration == nullptr || registration->invoke(nullptr, &node) != kTfLiteOk) {
            return kTfLiteError;
        }
    }
    return kTfLiteOk;
}

TfLiteTensor *MicroInterpreter::input(size_t) {
    return &input_;
}

TfLiteTensor *MicroInterpreter::output(size_t) {
    return &output_;
}

TfLiteStatus TfLiteEvalTensorByteLength(const TfLiteEvalTensor *tensor, size_t *bytes) {
    *bytes = tensor->bytes;
    return kTfLiteOk;
}

namespace micro {

const TfLiteEvalTensor *GetEvalInput(const TfLiteContext *, const TfLiteNode *node, int index) {
    return &tensors[node->inputs->data[index]];
}

TfLiteEvalTensor *GetEvalOutput(const TfLiteContext *, const TfLiteNode *node, int index) {
    return &tensors[node->outputs->data[index]];
}

TFLMRegistration RegisterOp(void *(*init)(TfLiteContext *, const char *, size_t),
    TfLiteStatus (*prepare)(TfLiteContext *, TfLiteNode *), TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *)) {
    return {init, prepare, invoke, 0};
}

} // namespace micro
} // namespace tflite
