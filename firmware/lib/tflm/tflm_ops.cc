#include "tflm_ops.h"

#include <new>

#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/memory_helpers.h"
#include "tflm.h"

void (*tflm_after_operator)(void *output, size_t bytes);

namespace {

class Resolver final : public tflite::MicroOpResolver {
  public:
    Resolver() {
        for (size_t i = 0; i < tflm_op_count; i++) {
            registrations_[i] = tflm_ops[i].make();
            registrations_[i].builtin_code = tflm_ops[i].code;
            invoke_[i] = registrations_[i].invoke;
            registrations_[i].invoke = tflm_ops[i].invoke;
        }
    }

    const TFLMRegistration *FindOp(tflite::BuiltinOperator code) const override {
        const size_t op = find(code);
        return op < tflm_op_count ? &registrations_[op] : nullptr;
    }

    const TFLMRegistration *FindOp(const char *) const override {
        return nullptr; // custom operators
    }

    tflite::TfLiteBridgeBuiltinParseFunction GetOpDataParser(tflite::BuiltinOperator code) const override {
        const size_t op = find(code);
        return op < tflm_op_count ? tflm_ops[op].parse : nullptr;
    }

    TfLiteStatus invoke(size_t op, TfLiteContext *context, TfLiteNode *node) const {
        return invoke_[op](context, node);
    }

  private:
    TF_LITE_REMOVE_VIRTUAL_DELETE

    static size_t find(tflite::BuiltinOperator code) {
        size_t op = 0;
        while (op < tflm_op_count && tflm_ops[op].code != code) {
            op++;
        }
        return op;
    }

    TFLMRegistration registrations_[TFLM_MOST_OPS];
    TfLiteStatus (*invoke_[TFLM_MOST_OPS])(TfLiteContext *context, TfLiteNode *node);
};

alignas(Resolver) uint8_t place[sizeof(Resolver)]; // not an object: nothing is to run before main() or after it
const Resolver *resolver;

} // namespace

const tflite::MicroOpResolver &tflm_make_resolver() {
    resolver = new (place) Resolver;
    return *resolver;
}

TfLiteStatus tflm_invoke_op(size_t op, TfLiteContext *context, TfLiteNode *node) {
    const TfLiteStatus status = resolver->invoke(op, context, node);
    if (status != kTfLiteOk || tflm_after_operator == nullptr) {
        return status;
    }
    TfLiteEvalTensor *output = tflite::micro::GetEvalOutput(context, node, 0);
    size_t bytes = 0;
    if (tflite::TfLiteEvalTensorByteLength(output, &bytes) != kTfLiteOk) {
        return kTfLiteError;
    }
    tflm_after_operator(output->data.data, bytes);
    return kTfLiteOk;
}
