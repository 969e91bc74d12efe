// Semihosting calls, and the ends of a test image: see semihost.h.
#include "semihost.h"

#include <string.h>

#include "../common/fault_text.h"
#include "../common/startup.h"

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_FLEN = 0x0C };
enum { SYS_EXIT_EXTENDED = 0x20, ADP_STOPPED_APPLICATION_EXIT = 0x20026 };

static int32_t call(uint32_t operation, const void *block) {
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

int32_t semihost_open(const char *name, enum semihost_mode mode) {
    const uint32_t block[] = {(uint32_t)name, (uint32_t)mode, strlen(name)};
    return call(SYS_OPEN, block);
}

int32_t semihost_length(int32_t file) {
    const uint32_t block[] = {(uint32_t)file};
    return call(SYS_FLEN, block);
}

// SYS_READ and SYS_WRITE return how many bytes were NOT transferred.
static size_t transferred(size_t count, int32_t left) {
    return left >= 0 && (size_t)left <= count ? count - (size_t)left : 0;
}

size_t semihost_read(int32_t file, void *bytes, size_t count) {
    const uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, count};
    return transferred(count, call(SYS_READ, block));
}

size_t semihost_write(int32_t file, const void *bytes, size_t count) {
    const uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, count};
    return transferred(count, call(SYS_WRITE, block));
}

void semihost_close(int32_t file) {
    const uint32_t block[] = {(uint32_t)file};
    (void)call(SYS_CLOSE, block);
}

void semihost_print(const char *text) {
    (void)call(SYS_WRITE0, text);
}

_Noreturn void semihost_exit(int code) {
    const uint32_t block[] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)code};
    (void)call(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

void startup_exit(int code) {
    semihost_exit(code);
}

void startup_fault(const uint32_t *frame) {
    char text[FAULT_TEXT_BYTES];
    fault_text(text, "# fault", frame);
    semihost_print(text);
    semihost_exit(SEMIHOST_FAULT);
}
