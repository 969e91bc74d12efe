// The serial link of docs/PROTOCOL.md: frames (COBS, CRC-32, sequence number) and text in one byte stream.
//
// Knows no board and no model. Receiving: give every byte to link_receive() and act on the event it returns. Sending:
// put the payload behind the header's room in a buffer of LINK_MAX_FRAME bytes and call link_send().
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h" // LINK_VERSION, LINK_MAX_PAYLOAD, LINK_ANSWER

#ifdef __cplusplus
extern "C" {
#endif

#define LINK_COMMON_BYTES 4 // of the header, the same in every version: version, type, sequence
#define LINK_HEADER_BYTES 6
#define LINK_CRC_BYTES 4
#define LINK_MAX_FRAME (LINK_HEADER_BYTES + LINK_MAX_PAYLOAD + LINK_CRC_BYTES)

enum link_event {
    LINK_NONE = 0,             // nothing yet
    LINK_FRAME = 1,            // a frame: see link_received()
    LINK_TEXT = 2,             // a chunk of text; its characters are not kept
    LINK_ERROR_OVERSIZE = -1,  // a chunk too long for a frame
    LINK_ERROR_MALFORMED = -2, // a chunk that is not COBS, or too short for a frame
    LINK_ERROR_CRC = -3,       // a frame with a wrong CRC
    LINK_ERROR_VERSION = -4,   // a frame of another version, undamaged: link_received() has its type and sequence
};

// What an answer repeats from its request.
struct link_address {
    uint16_t sequence; // chosen by the host, greater with every request of a session
    uint16_t session;  // chosen by the host when it opens the line
};

struct link_frame {
    uint8_t version;
    uint8_t type;
    struct link_address address;
    const uint8_t *payload;
    size_t payload_bytes;
};

// State of a receiver; begins with link_receiver_init().
struct link_receiver {
    uint8_t frame[LINK_MAX_FRAME]; // the chunk, decoded as it comes
    size_t length;                 // bytes in it; one more than its size when it does not fit
    uint8_t code;                  // code byte of the COBS block that is being received; 0: no chunk begun
    uint8_t block_left;            // bytes that are still to come of that block
    bool printable;                // the chunk has been text so far
    bool ended;                    // the chunk is kept for link_received() only
};

void link_receiver_init(struct link_receiver *receiver);

// Takes the next byte of the stream.
enum link_event link_receive(struct link_receiver *receiver, uint8_t byte);

// The frame of the last event, LINK_FRAME or LINK_ERROR_VERSION; valid until the next link_receive().
struct link_frame link_received(const struct link_receiver *receiver);

// Writes `count` bytes to the line.
typedef void (*link_write)(const uint8_t *bytes, size_t count);

// Sends the frame whose payload the caller has put at frame + LINK_HEADER_BYTES; fills in header and CRC.
// payload_bytes is at most LINK_MAX_PAYLOAD.
void link_send(
    uint8_t frame[LINK_MAX_FRAME], uint8_t type, struct link_address address, size_t payload_bytes, link_write write);

#ifdef __cplusplus
}
#endif

#endif
