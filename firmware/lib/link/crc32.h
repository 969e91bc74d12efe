// CRC-32 of IEEE 802.3, the one of zlib: polynomial 0x04C11DB7 reflected, initial value and final XOR 0xFFFFFFFF.
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// CRC of `count` bytes that follow bytes whose CRC is `before`; `before` is 0 at the start. Of "123456789": 0xCBF43926.
uint32_t crc32(uint32_t before, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
