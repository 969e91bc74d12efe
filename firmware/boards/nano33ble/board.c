// board.h for the Arduino Nano 33 BLE (Sense): 64 MHz, a serial port over USB, and another one on the header pins.
#include "../board.h"

#include "../common/watchdog.h"
#include "lines.h"
#include "nrf52840.h"
#include "uart.h"
#include "usbd.h"
#include "wait.h"

// What Arduino's boot loader must find in GPREGRET to stay, as Arduino's own sketches leave it for a port that was
// closed at 1200 baud (DFU_MAGIC_SERIAL_ONLY_RESET of its core for this board).
#define BOOT_LOADER_MAGIC 0xB0u

const char board_name[] = "nano33ble";

volatile enum line line_in_use = LINE_BOTH;

// UART and USB need the crystal's accuracy; the RC oscillator that runs after reset may be 8 % off.
static void start_crystal(void) {
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    (void)wait_for(&CLOCK_EVENTS_HFCLKSTARTED, 1);
}

void board_init(void) {
    cycle_counter_start();                   // before all that waits
    NVMC_ICACHECNF = NVMC_ICACHECNF_CACHEEN; // off after reset, and then every fetch from flash waits
    start_crystal();
    uart_init();
    usbd_init();
    watchdog_start(CLOCK_HZ);
}

uint32_t board_intended_clock_hz(void) {
    return CLOCK_HZ;
}

uint32_t board_clock_hz(void) {
    return CLOCK_HZ;
}

void board_write(const uint8_t *bytes, size_t count) {
    enum line line = line_in_use;
    if (line != LINE_USB) {
        uart_write(bytes, count);
    }
    if (line != LINE_UART) {
        usbd_write(bytes, count);
    }
}

uint32_t board_cycles(void) {
    return DWT_CYCCNT;
}

void board_restart(void) {
    usbd_detach();
    system_reset();
}

static void start_boot_loader(void) {
    POWER_GPREGRET = BOOT_LOADER_MAGIC; // survives the reset
    board_restart();
}

void (*const board_boot_loader)(void) = start_boot_loader;
