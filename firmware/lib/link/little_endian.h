// Integers in frames: little endian and without alignment, whatever the machine.
#ifndef LITTLE_ENDIAN_H
#define LITTLE_ENDIAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline uint16_t read_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t read_u32(const uint8_t *bytes) {
    return (uint32_t)read_u16(bytes) | (uint32_t)read_u16(bytes + 2) << 16;
}

static inline void write_u16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)(value & 0xFFu);
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void write_u32(uint8_t *bytes, uint32_t value) {
    write_u16(bytes, (uint16_t)(value & 0xFFFFu));
    write_u16(bytes + 2, (uint16_t)(value >> 16));
}

#ifdef __cplusplus
}
#endif

#endif
