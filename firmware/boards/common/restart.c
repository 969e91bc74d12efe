// What most boards do to start again; a board with more to do has its own.
#include "../board.h"
#include "cortex_m4.h"

__attribute__((weak)) void board_restart(void) {
    system_reset();
}

__attribute__((weak)) void (*const board_boot_loader)(void) = NULL;
