#include "tflm_kernels.h"

#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tflm_kernel_ops.h"

namespace {

struct OpData {
    const tflm_kernel *kernel;
    int scratch; // index of the buffer, where there is one
};

void *init(TfLiteContext *context, const char *, size_t) {
    return context->AllocatePersistentBuffer(context, sizeof(OpData));
}

TfLiteStatus prepare(TfLiteContext *context, TfLiteNode *node) {
    const int32_t output = node->outputs->data[0];
    size_t i = 0;
    while (i < tflm_kernel_count && tflm_kernels[i].output != output) {
        i++;
    }
    OpData *data = static_cast<OpData *>(node->user_data);
    if (i == tflm_kernel_count || data == nullptr) {
        return kTfLiteError; // tables of another model, or no room
    }
    data->kernel = &tflm_kernels[i];
    if (data->kernel->scratch_bytes == 0) {
        return kTfLiteOk;
    }
    return context->RequestScratchBufferInArena(
        context, static_cast<size_t>(data->kernel->scratch_bytes), &data->scratch);
}

TfLiteStatus evaluate(TfLiteContext *context, TfLiteNode *node) {
    const OpData *data = static_cast<const OpData *>(node->user_data);
    const tflm_kernel &kernel = *data->kernel;
    const int8_t *inputs[TFLM_KERNEL_INPUTS] = {};
    for (int32_t i = 0; i < kernel.inputs; i++) {
        inputs[i] = tflite::micro::GetTensorData<int8_t>(tflite::micro::GetEvalInput(context, node, i));
    }
    int8_t *output = tflite::micro::GetTensorData<int8_t>(tflite::micro::GetEvalOutput(context, node, 0));
    void *scratch = kernel.scratch_bytes == 0 ? nullptr : context->GetScratchBuffer(context, data->scratch);
    kernel.run(inputs, output, scratch);
    return kTfLiteOk;
}

} // namespace

TfLiteStatus tflm_parse_nothing(
    const tflite::Operator *, tflite::ErrorReporter *, tflite::BuiltinDataAllocator *, void **data) {
    *data = nullptr;
    return kTfLiteOk;
}

TFLMRegistration tflm_register_kernel() {
    return tflite::micro::RegisterOp(init, prepare, evaluate);
}
