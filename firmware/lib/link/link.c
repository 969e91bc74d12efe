// Receiver and sender of frames: see link.h and docs/PROTOCOL.md.
//
// COBS (Cheshire and Baker, 1999): a block is a code byte n, then n - 1 bytes that are not zero; between two blocks
// stands a zero, unless the first one's code is 0xFF. It is decoded byte by byte as it comes, and encoded straight from
// the frame as it is sent, so that no second buffer is needed.
#include "link.h"

#include "crc32.h"
#include "little_endian.h"

#define DELIMITER 0x00
#define FULL_BLOCK 0xFF

static bool is_text(uint8_t byte) {
    return (byte >= 0x20 && byte <= 0x7E) || byte == '\t' || byte == '\r' || byte == '\n';
}

static void begin_chunk(struct link_receiver *receiver) {
    receiver->length = 0;
    receiver->code = 0;
    receiver->block_left = 0;
    receiver->printable = true;
    receiver->ended = false;
}

void link_receiver_init(struct link_receiver *receiver) {
    begin_chunk(receiver);
}

static void store(struct link_receiver *receiver, uint8_t byte) {
    if (receiver->length < LINK_MAX_FRAME) {
        receiver->frame[receiver->length++] = byte;
    } else {
        receiver->length = LINK_MAX_FRAME + 1;
    }
}

static void decode(struct link_receiver *receiver, uint8_t byte) {
    receiver->printable = receiver->printable && is_text(byte);
    if (receiver->block_left > 0) {
        store(receiver, byte);
        receiver->block_left--;
        return;
    }
    if (receiver->code != 0 && receiver->code != FULL_BLOCK) {
        store(receiver, 0);
    }
    receiver->code = byte;
    receiver->block_left = (uint8_t)(byte - 1);
}

// What the chunk is, now that it has ended.
static enum link_event judge(const struct link_receiver *receiver) {
    if (receiver->code == 0) {
        return LINK_NONE; // an empty chunk
    }
    if (receiver->printable) {
        return LINK_TEXT; // cannot be a frame: its second byte would be the version, which is not printable
    }
    if (receiver->length > LINK_MAX_FRAME) {
        return LINK_ERROR_OVERSIZE;
    }
    if (receiver->block_left > 0 || receiver->length < LINK_COMMON_BYTES + LINK_CRC_BYTES) {
        return LINK_ERROR_MALFORMED;
    }
    size_t covered = receiver->length - LINK_CRC_BYTES;
    if (crc32(0, receiver->frame, covered) != read_u32(receiver->frame + covered)) {
        return LINK_ERROR_CRC;
    }
    if (receiver->frame[0] != LINK_VERSION) {
        return LINK_ERROR_VERSION;
    }
    return covered < LINK_HEADER_BYTES ? LINK_ERROR_MALFORMED : LINK_FRAME;
}

enum link_event link_receive(struct link_receiver *receiver, uint8_t byte) {
    if (receiver->ended) {
        begin_chunk(receiver);
    }
    if (byte != DELIMITER) {
        decode(receiver, byte);
        return LINK_NONE;
    }
    receiver->ended = true;
    return judge(receiver);
}

struct link_frame link_received(const struct link_receiver *receiver) {
    const uint8_t *frame = receiver->frame;
    const size_t covered = receiver->length - LINK_CRC_BYTES;
    return (struct link_frame){
        .version = frame[0],
        .type = frame[1],
        .address = {.sequence = read_u16(frame + 2), .session = read_u16(frame + 4)},
        .payload = frame + LINK_HEADER_BYTES,
        .payload_bytes = covered < LINK_HEADER_BYTES ? 0 : covered - LINK_HEADER_BYTES, // shorter: another version's
    };
}

// Sends bytes that follow a delimiter as COBS.
static void send_encoded(const uint8_t *bytes, size_t count, link_write write) {
    for (size_t begin = 0; begin <= count;) {
        size_t run = 0;
        while (begin + run < count && bytes[begin + run] != 0 && run < FULL_BLOCK - 1) {
            run++;
        }
        const uint8_t code = (uint8_t)(run + 1);
        write(&code, 1);
        write(bytes + begin, run);
        begin += code == FULL_BLOCK ? run : run + 1; // a block that is not full stands for a zero too
        if (code == FULL_BLOCK && begin == count) {
            return; // nothing follows the full block, not even an empty one
        }
    }
}

void link_send(
    uint8_t frame[LINK_MAX_FRAME], uint8_t type, struct link_address address, size_t payload_bytes, link_write write) {
    static const uint8_t delimiter = DELIMITER;
    size_t covered = LINK_HEADER_BYTES + payload_bytes;
    frame[0] = LINK_VERSION;
    frame[1] = type;
    write_u16(frame + 2, address.sequence);
    write_u16(frame + 4, address.session);
    write_u32(frame + covered, crc32(0, frame, covered));
    write(&delimiter, 1);
    send_encoded(frame, covered + LINK_CRC_BYTES, write);
    write(&delimiter, 1);
}
