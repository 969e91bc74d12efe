// The microphone of the Nano 33 BLE Sense: PDM with EasyDMA, one block after the other.
//
// PTR is double-buffered: once a block has STARTED, the address of the next one can be written, and the peripheral
// continues there at END by itself. The handler has the whole of a block, 25 ms, to do so.
#include "../board.h"
#include "../common/recording.h"
#include "nrf52840.h"

#define POWER_PIN 17u // P0.17, P0.25 and P0.26: Arduino ABX00031, schematic
#define DATA_PIN 25u
#define CLOCK_PIN 26u
// 32 MHz / 12 = 2.667 MHz. The product specification ends at 1.333 MHz (0x0A800000), which is too slow for scenes;
// twice that value gives twice the clock, within the microphone's 3.25 MHz (MP34DT05-A, table 5).
#define CLOCK_2_667_MHZ 0x15000000u
#define SAMPLE_RATE 41667u                   // 2.667 MHz / 64
#define SETTLING_SAMPLES (SAMPLE_RATE / 10u) // MP34DT05-A: 10 ms to start; the rest for what rumbles after it

void pdm_interrupt(void);

void pdm_interrupt(void) {
    if (PDM_EVENTS_STARTED) {
        PDM_EVENTS_STARTED = 0;
        PDM_SAMPLE_PTR = (uint32_t)(uintptr_t)recording_next();
    }
    if (PDM_EVENTS_END) {
        PDM_EVENTS_END = 0;
        recording_filled();
    }
}

static void stop(void) {
    PDM_INTENCLR = PDM_INT_STARTED | PDM_INT_END;
    PDM_TASKS_STOP = 1;
    PDM_ENABLE = 0;
    GPIO_P0_OUTCLR = 1u << POWER_PIN;
}

static bool start(int32_t gain) {
    const int32_t wanted = (int32_t)PDM_GAIN_DEFAULT + gain, most = 2 * (int32_t)PDM_GAIN_DEFAULT;
    const uint32_t clamped = (uint32_t)(wanted < 0 ? 0 : wanted > most ? most : wanted);
    stop();
    recording_begin(SETTLING_SAMPLES);
    GPIO_P0_OUTCLR = 1u << CLOCK_PIN;
    GPIO_P0_OUTSET = 1u << POWER_PIN;
    GPIO_P0_PIN_CNF(POWER_PIN) = GPIO_PIN_CNF_OUTPUT;
    GPIO_P0_PIN_CNF(CLOCK_PIN) = GPIO_PIN_CNF_OUTPUT;
    GPIO_P0_PIN_CNF(DATA_PIN) = GPIO_PIN_CNF_INPUT;
    PDM_PSEL_CLK = CLOCK_PIN;
    PDM_PSEL_DIN = DATA_PIN;
    PDM_PDMCLKCTRL = CLOCK_2_667_MHZ;
    PDM_RATIO = PDM_RATIO_64;
    PDM_MODE = PDM_MODE_MONO;
    PDM_GAINL = clamped;
    PDM_GAINR = clamped;
    PDM_SAMPLE_MAXCNT = RECORDING_BLOCK;
    PDM_SAMPLE_PTR = (uint32_t)(uintptr_t)recording_next();
    PDM_EVENTS_STARTED = 0;
    PDM_EVENTS_END = 0;
    PDM_ENABLE = 1;
    PDM_INTENSET = PDM_INT_STARTED | PDM_INT_END;
    interrupt_enable(PDM_INTERRUPT);
    PDM_TASKS_START = 1;
    return true;
}

static const struct microphone microphone = {
    .rate = SAMPLE_RATE,
    .start = start,
    .stop = stop,
    .read = recording_read,
    .lost = recording_lost,
};
const struct microphone *const board_microphone = &microphone;
