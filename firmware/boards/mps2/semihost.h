// Semihosting: a test image in QEMU reads and writes files of the host and ends with an exit code.
//
// A test image is boards/common/startup_common.c + boards/mps2/startup.c + boards/mps2/semihost.c + a main() of its
// own, no board.c. What main() returns becomes QEMU's exit code; a fault ends it with SEMIHOST_FAULT. Build and run
// one, from firmware/:
//   arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -std=c11 -O2 -ffp-contract=off
//     -ffunction-sections -fdata-sections -Iboards/mps2 -nostartfiles --specs=nano.specs -Wl,--gc-sections
//     -Wl,--no-warn-rwx-segments -Lboards/common -Tboards/mps2/linker.ld
//     boards/common/startup_common.c boards/mps2/startup.c boards/mps2/semihost.c main.c -lm -o image.elf
//   qemu-system-arm -M mps2-an386 -display none -monitor none -serial null -semihosting-config enable=on,target=native
//     -icount shift=6,align=off,sleep=off -kernel image.elf
// or, from Python, tinyscene.toolchain.mps2_image.build() and run(). File names are relative to QEMU's working
// directory. More stack than 16 KB: -Wl,--defsym=__stack_bytes=65536. Instruction counts: timer0_* in mps2.h.
//
// Source of the calls: Arm, "Semihosting for AArch32 and AArch64", 2.0.
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stddef.h>
#include <stdint.h>

#define SEMIHOST_FAULT 125

enum semihost_mode { SEMIHOST_READ = 1 /* "rb" */, SEMIHOST_WRITE = 5 /* "wb" */ };

// Opens a file of the host; negative: it cannot be opened.
int32_t semihost_open(const char *name, enum semihost_mode mode);

// Length of an open file in bytes; negative: unknown.
int32_t semihost_length(int32_t file);

// Reads at most `count` bytes and returns how many were there.
size_t semihost_read(int32_t file, void *bytes, size_t count);

// Writes `count` bytes and returns how many the host took.
size_t semihost_write(int32_t file, const void *bytes, size_t count);

void semihost_close(int32_t file);

// Prints a string on QEMU's standard error or console.
void semihost_print(const char *text);

// Ends the emulator with this exit code.
_Noreturn void semihost_exit(int code);

#endif
