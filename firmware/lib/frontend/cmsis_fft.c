// CMSIS-DSP's real FFT of 1024 and 2048 points, and all of CMSIS-DSP that it needs, in one file: a build needs only the
// include directories Include, PrivateInclude and Source of .deps/cmsis-dsp (`make setup` brings it).
// The linker keeps the tables that are used, given -fdata-sections and --gc-sections.
#ifndef __GNUC_PYTHON__
#define __GNUC_PYTHON__ // CMSIS-DSP's name for: a GCC target without CMSIS-Core
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "CommonTables/arm_common_tables.c"
#include "CommonTables/arm_const_structs.c"
#include "TransformFunctions/arm_bitreversal2.c"
#include "TransformFunctions/arm_cfft_f32.c"
#include "TransformFunctions/arm_cfft_radix8_f32.c"
#include "TransformFunctions/arm_rfft_fast_f32.c"
#pragma GCC diagnostic pop

#include "frontend_fft.h"

void frontend_fft_cmsis_1024(const struct frontend_fft *fft, float *signal, float *spectrum) {
    (void)fft;
    static const arm_rfft_fast_instance_f32 plan = {
        {512, twiddleCoef_512, armBitRevIndexTable512, ARMBITREVINDEXTABLE_512_TABLE_LENGTH}, 1024,
        twiddleCoef_rfft_1024};
    arm_rfft_fast_f32(&plan, signal, spectrum, 0);
}

void frontend_fft_cmsis_2048(const struct frontend_fft *fft, float *signal, float *spectrum) {
    (void)fft;
    static const arm_rfft_fast_instance_f32 plan = {
        {1024, twiddleCoef_1024, armBitRevIndexTable1024, ARMBITREVINDEXTABLE_1024_TABLE_LENGTH}, 2048,
        twiddleCoef_rfft_2048};
    arm_rfft_fast_f32(&plan, signal, spectrum, 0);
}
