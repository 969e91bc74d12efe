// The record and the request under way, both in memory that survives a reset: see crash.h.
#include "crash.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "crc32.h"

#define MAGIC 0x43525348u
#define REQUEST_MAGIC 0x5AC3A500u // in the upper three bytes, so that a type differs from what RAM holds at power-up

static struct {
    uint32_t magic;
    uint32_t is_new; // made since the last crash_begin()
    struct crash crash;
    uint32_t crc; // CRC-32 of all before it
} record __attribute__((section(".noinit")));

static volatile uint32_t request_under_way __attribute__((section(".noinit")));

static uint32_t record_crc(void) {
    return crc32(0, (const uint8_t *)&record, offsetof(__typeof__(record), crc));
}

static bool is_whole(void) {
    return record.magic == MAGIC && record.crc == record_crc();
}

static void write(uint32_t is_new, const struct crash *crash) {
    record.magic = MAGIC;
    record.is_new = is_new;
    record.crash = *crash;
    record.crc = record_crc();
}

void crash_begin(enum reset_cause cause) {
    bool unwitnessed = (cause == RESET_WATCHDOG || cause == RESET_LOCKUP) && !(is_whole() && record.is_new);
    if (unwitnessed) {
        static const struct crash_registers unknown;
        crash_record(CRASH_UNWITNESSED, &unknown);
    }
    struct crash crash = crash_last();
    write(false, &crash);
    crash_request(0);
}

void crash_record(enum crash_kind kind, const struct crash_registers *registers) {
    uint32_t request = request_under_way;
    struct crash crash = crash_last();
    crash.kind = (uint32_t)kind;
    crash.request = (request & ~0xFFu) == REQUEST_MAGIC ? request & 0xFFu : 0;
    crash.count++;
    crash.registers = *registers;
    write(true, &crash);
}

void crash_request(uint8_t type) {
    request_under_way = REQUEST_MAGIC | type;
}

struct crash crash_last(void) {
    struct crash crash = {0};
    if (is_whole()) {
        crash = record.crash;
    }
    return crash;
}

void crash_forget(void) {
    memset(&record, 0, sizeof record);
}
