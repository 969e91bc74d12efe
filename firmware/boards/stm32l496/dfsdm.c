// The microphone of the 32L496GDISCOVERY: DFSDM1 makes samples of its bits, and the DMA writes them round and round
// into a buffer of two blocks.
//
// The interrupt for one block comes while the DMA writes the other, and has 23 ms to take it away. It copies for longer
// than a byte takes on a fast serial port, and is therefore interrupted by all others.
#ifdef DISCO_L496
#include <math.h>

#include "../board.h"
#include "../common/recording.h"
#include "clock.h"
#include "pins.h"
#include "stm32l496.h"
#include "wait.h"

// 4 MHz * 48 / 17 = 11.294 MHz, / 4 = 2.824 MHz for the microphone, which takes 1 to 3.25 MHz (MP34DT01-M)
#define PLL_INPUT_HZ CLOCK_SLOW_HZ
#define PLL_FACTOR 48u
#define PLL_DIVISOR 17u
#define MICROPHONE_DIVISOR 4u
#define DECIMATION_LOG2 6u
#define DECIMATION (1u << DECIMATION_LOG2)
#define RATE_DIVISOR (PLL_DIVISOR * MICROPHONE_DIVISOR * DECIMATION)
#define SAMPLE_RATE ((PLL_INPUT_HZ * PLL_FACTOR + RATE_DIVISOR / 2u) / RATE_DIVISOR) // 44,118 Hz
#define SETTLING_SAMPLES (SAMPLE_RATE / 10u) // MP34DT01-M: 10 ms to start; the rest for what rumbles after it

// 24.4.8: a sinc filter of order 4 turns bits that are all ones into 64^4 = 2^24, which is shifted down to 2^23, full
// scale of the 24 bits of a sample. The upper 16 of these keep the noise of the microphone, 61 dB below 94 dB SPL, some
// 10 dB above their own.
#define FILTER_ORDER 4u
#define RIGHT_SHIFT (FILTER_ORDER * DECIMATION_LOG2 - 23u)

#define CHANNEL 2u
#define MOST_GAIN 40 // 20 dB, in half decibels
#define UNITY_BITS 12
#define DMA_EVENTS (DMA_FLAG_HALF4 | DMA_FLAG_COMPLETE4)

static const struct pin clock_pin = {GPIOE_BASE, 9u, 6u}, data_pin = {GPIOE_BASE, 7u, 6u}; // UM2160, audio

static int16_t halves[2][RECORDING_BLOCK];
static int32_t factor; // what samples are multiplied by, in 2^-UNITY_BITS

void dfsdm_interrupt(void);

static void amplify(int16_t *to, const int16_t *from) {
    for (size_t i = 0; i < RECORDING_BLOCK; i++) {
        const int32_t value = (from[i] * factor + (1 << (UNITY_BITS - 1))) >> UNITY_BITS;
        to[i] = (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
    }
}

void dfsdm_interrupt(void) {
    const uint32_t events = DMA1_ISR & DMA_EVENTS;
    DMA1_IFCR = events;
    if (DFSDM_FLT0ISR & DFSDM_FLTISR_ROVRF) { // the DMA has come too late for a sample, or for more
        DFSDM_FLT0ICR = DFSDM_FLTISR_ROVRF;
        recording_dropped(1);
    }
    if (events == DMA_EVENTS) { // this comes a block late: one of them is being written again, and both may be broken
        recording_dropped(2u * RECORDING_BLOCK);
    } else if (events != 0) {
        amplify(recording_next(), halves[events == DMA_FLAG_COMPLETE4]);
        recording_filled();
    }
}

static void set_gain(int32_t half_decibels) {
    const int32_t low = half_decibels < -MOST_GAIN ? -MOST_GAIN : half_decibels;
    const int32_t clamped = low > MOST_GAIN ? MOST_GAIN : low;
    factor = (int32_t)lrintf(powf(10.0f, (float)clamped / 40.0f) * (1 << UNITY_BITS));
}

// PLLSAI1 shares its input, MSI / 1, with the PLL of the core clock, which runs.
static bool start_audio_clock(void) {
    if (!wait_for(&RCC_CR, RCC_CR_PLLSAI1RDY, 0)) { // 6.4.5: its factors can be changed only then
        return false;
    }
    RCC_PLLSAI1CFGR = RCC_PLLSAI1CFGR_N(PLL_FACTOR) | RCC_PLLSAI1CFGR_P_17 | RCC_PLLSAI1CFGR_PEN;
    RCC_CCIPR &= ~(RCC_CCIPR_SAI1SEL | RCC_CCIPR_DFSDM1SEL); // as after reset
    RCC_CR |= RCC_CR_PLLSAI1ON;
    return wait_for(&RCC_CR, RCC_CR_PLLSAI1RDY, RCC_CR_PLLSAI1RDY);
}

static void start_dma(void) {
    DMA1_CSELR &= ~DMA_CSELR_C4S;
    DMA1_CPAR4 = DFSDM_FLT0RDATAR + 2u; // the upper 16 bits: 8 of the 24 and channel and flags are left out
    DMA1_CMAR4 = (uint32_t)(uintptr_t)halves;
    DMA1_CNDTR4 = 2u * RECORDING_BLOCK;
    DMA1_IFCR = DMA_EVENTS;
    DMA1_CCR4 = DMA_CCR_MSIZE_16 | DMA_CCR_PSIZE_16 | DMA_CCR_MINC | DMA_CCR_CIRC | DMA_CCR_HTIE | DMA_CCR_TCIE;
    DMA1_CCR4 |= DMA_CCR_EN;
    interrupt_give_way(DMA1_CHANNEL4_INTERRUPT);
    interrupt_enable(DMA1_CHANNEL4_INTERRUPT);
}

// The left microphone: its bit is there while the clock is low, and is taken when that rises (MP34DT01-M).
static void start_filter(void) {
    const uint32_t clock = DFSDM_CH0CFGR1_CKOUTSRC_AUDIO | DFSDM_CH0CFGR1_CKOUTDIV(MICROPHONE_DIVISOR);
    const uint32_t channel = DFSDM_CHCFGR1_SITP_RISING | DFSDM_CHCFGR1_SPICKSEL_CKOUT;
    // 24.4.16: without FAST, every sample would take as long as the first, which fills the filter
    const uint32_t filter = DFSDM_FLTCR1_RCH(CHANNEL) | DFSDM_FLTCR1_FAST | DFSDM_FLTCR1_RCONT | DFSDM_FLTCR1_RDMAEN;
    DFSDM_CH0CFGR1 = clock; // each can be set up only while it is not enabled
    DFSDM_CH0CFGR1 = clock | DFSDM_CH0CFGR1_DFSDMEN;
    DFSDM_CH2CFGR2 = DFSDM_CHCFGR2_DTRBS(RIGHT_SHIFT);
    DFSDM_CH2CFGR1 = channel;
    DFSDM_CH2CFGR1 = channel | DFSDM_CHCFGR1_CHEN;
    DFSDM_FLT0FCR = DFSDM_FLTFCR_FORD(FILTER_ORDER) | DFSDM_FLTFCR_FOSR(DECIMATION);
    DFSDM_FLT0CR1 = filter;
    DFSDM_FLT0CR1 = filter | DFSDM_FLTCR1_DFEN;
    DFSDM_FLT0CR1 = filter | DFSDM_FLTCR1_DFEN | DFSDM_FLTCR1_RSWSTART;
}

static void stop(void) {
    DFSDM_FLT0CR1 = 0;
    DFSDM_CH2CFGR1 = 0;
    DFSDM_CH0CFGR1 = 0; // the microphone sleeps without its clock
    DMA1_CCR4 = 0;
    DMA1_IFCR = DMA_EVENTS; // the handler does nothing if it still comes
    RCC_CR &= ~RCC_CR_PLLSAI1ON;
}

static bool start(int32_t gain) {
    if (board_clock_hz() != CLOCK_HZ) { // 24.4.4: a bit must take four cycles at least
        return false;
    }
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA1;
    RCC_APB2ENR |= RCC_APB2ENR_DFSDM1;
    (void)RCC_APB2ENR; // 6.2.18: two cycles until a peripheral that was switched on answers
    stop();
    set_gain(gain);
    recording_begin(SETTLING_SAMPLES);
    pin_connect(&clock_pin);
    pin_quicken(&clock_pin);
    pin_connect(&data_pin);
    if (start_audio_clock()) {
        start_dma();
        start_filter();
        if (wait_for(&DMA1_CNDTR4, 2u * RECORDING_BLOCK, 0)) { // the only bit of the counter until a sample has come
            return true;
        }
    }
    stop();
    return false;
}

static const struct microphone microphone = {
    .rate = SAMPLE_RATE,
    .start = start,
    .stop = stop,
    .read = recording_read,
    .lost = recording_lost,
};
const struct microphone *const board_microphone = &microphone;
#endif
