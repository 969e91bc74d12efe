// Operators of TensorFlow Lite Micro that the engine carries out. `tinyscene export` compiles each of them by itself,
// with its tables and packed weights; here an operator finds its own by the tensor that it makes.
#ifndef TFLM_KERNELS_H
#define TFLM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFLM_KERNEL_INPUTS 2 // activations of an operator, at most

struct tflm_kernel {
    int32_t output; // index of its tensor in the model
    int32_t inputs; // activations: the operator's first inputs
    int32_t scratch_bytes;
    void (*run)(const int8_t *const *inputs, int8_t *output, void *scratch);
};

// Generated.
extern const struct tflm_kernel tflm_kernels[];
extern const size_t tflm_kernel_count;

#ifdef __cplusplus
}
#endif

#endif
