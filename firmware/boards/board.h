// What the firmware needs of a board. In the firmware outside boards/, only src/main.c includes it.
//
// Common to all boards: board_read(), board_overruns() and board_idle() in common/receive.c, board_alive() in
// common/watchdog.c; in common/restart.c a board_restart() and a board_boot_loader for boards without one. Each
// board has board_reset_cause() in its watchdog.c, board_microphone in board.c or beside its driver, and the rest in
// board.c.
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#include "crash.h"
#include "microphone.h"

#ifdef __cplusplus
extern "C" {
#endif

// Name of the board: that of its folder and of its PlatformIO environment.
extern const char board_name[];

// The board's microphone; NULL: none.
extern const struct microphone *const board_microphone;

// Brings up clocks, serial port (8 data bits, no parity, 1 stop bit, BOARD_BAUD symbols a second: platformio.ini's
// monitor_speed), cycle counter and watchdog. Never hangs: what does not start in time is left out, and
// board_clock_hz() returns the clock that was reached.
void board_init(void);

// What board_clock_hz() is if everything starts as it should.
uint32_t board_intended_clock_hz(void);

// Core clock in Hz; the rate of board_cycles().
uint32_t board_clock_hz(void);

// Copies at most `capacity` received bytes, oldest first, and returns how many; does not wait.
size_t board_read(uint8_t *bytes, size_t capacity);

// Received bytes that were lost since boot because nobody read the earlier ones in time.
uint32_t board_overruns(void);

// Sends `count` bytes, waiting for the line, but never for long: where nobody listens at its other end they are lost,
// and the host asks again. Usable from fault handlers: needs no interrupts.
void board_write(const uint8_t *bytes, size_t count);

// Cycles of the core clock; wraps at 2^32, does not count while board_idle() sleeps.
uint32_t board_cycles(void);

// Why the board started; asked once, before board_init().
enum reset_cause board_reset_cause(void);

// Feeds the watchdog. Without that for WATCHDOG_SECONDS, the board records where it stands, and restarts.
void board_alive(void);

// Sleeps until an interrupt, unless a received byte or recorded sound is waiting.
void board_idle(void);

// Starts the firmware again, once what was written has left; does not return.
void board_restart(void);

// Starts the board's boot loader instead, so that it can be flashed; NULL on a board that has none.
extern void (*const board_boot_loader)(void);

#ifdef __cplusplus
}
#endif

#endif
