// The conversation, and the requests about the board and the image: see scene.h and docs/PROTOCOL.md.
#include "scene_internal.h"

#include <string.h>

enum { REBOOT_FIRMWARE, REBOOT_BOOT_LOADER }; // REBOOT's mode

typedef enum scene_status (*handler)(struct scene *scene, struct scene_request request, struct scene_answer *answer);

struct request_kind {
    uint8_t type;
    bool needs_bundle;
    uint16_t min_bytes, max_bytes; // length of the payload
    handler handle;
};

static enum scene_status scene_statistics(
    struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    scene_answer_u32(answer, scene->frames_ok);
    scene_answer_u32(answer, scene->crc_errors);
    scene_answer_u32(answer, scene->port.overruns());
    scene_answer_u32(answer, scene->oversize);
    scene_answer_u32(answer, scene->inferences);
    scene_answer_u32(answer, scene->malformed);
    return SCENE_STATUS_OK;
}

static enum scene_status scene_reboot(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    if (request.payload[0] > REBOOT_BOOT_LOADER) {
        return SCENE_STATUS_BAD_VALUE;
    }
    void (*leave)(void) = request.payload[0] == REBOOT_FIRMWARE ? scene->port.restart : scene->port.boot_loader;
    if (leave == NULL) {
        return SCENE_STATUS_BAD_STATE;
    }
    scene->leave = leave;
    return SCENE_STATUS_OK;
}

static enum scene_status scene_features_write(
    struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    size_t offset = read_u16(request.payload);
    size_t count = request.bytes - 2;
    if (offset + count > scene_image_bytes(scene)) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    memcpy(scene->memory.image + offset, request.payload + 2, count);
    return SCENE_STATUS_OK;
}

static enum scene_status scene_features_run(
    struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    // into the answer, not into memory.outputs: those belong to the last clip, whose answer may be asked for again
    int8_t *outputs = (int8_t *)answer->bytes + 2 * sizeof(uint32_t);
    scene_answer_u32(answer, scene_microseconds(scene, scene_run_model(scene, outputs)));
    scene_answer_u32(answer, scene_image_crc(scene));
    answer->length += scene->bundle->classes;
    return SCENE_STATUS_OK;
}

static enum scene_status scene_features_read(
    struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    size_t offset = read_u16(request.payload);
    size_t count = read_u16(request.payload + 2);
    if (count == 0 || count > SCENE_MAX_ANSWER) {
        return SCENE_STATUS_BAD_VALUE;
    }
    if (offset + count > scene_image_bytes(scene)) {
        return SCENE_STATUS_BAD_OFFSET;
    }
    scene_answer_put(answer, scene->memory.image + offset, count);
    return SCENE_STATUS_OK;
}

#define REQUEST_KIND(type, least, most, needs_bundle, handle) {type, needs_bundle, least, most, handle},
static const struct request_kind request_kinds[] = {SCENE_REQUESTS(REQUEST_KIND)};

// Whether a request is the newest of the session: an older one that comes again, as by a bridge that repeats, must not
// undo what came after it. HELLO opens another session, and the newest request may be repeated.
static enum scene_status admit(struct scene *scene, const struct link_frame *frame) {
    const struct link_address address = frame->address;
    if (address.session == 0 || (address.session != scene->session && frame->type != SCENE_REQUEST_HELLO)) {
        return SCENE_STATUS_BAD_SESSION;
    }
    if (address.session == scene->session && address.sequence < scene->sequence) {
        return SCENE_STATUS_STALE;
    }
    scene->session = address.session;
    scene->sequence = address.sequence;
    return SCENE_STATUS_OK;
}

static enum scene_status dispatch(struct scene *scene, const struct link_frame *frame, struct scene_answer *answer) {
    const enum scene_status admitted = admit(scene, frame);
    if (admitted != SCENE_STATUS_OK) {
        return admitted;
    }
    const struct scene_request request = {frame->payload, frame->payload_bytes};
    for (size_t i = 0; i < sizeof request_kinds / sizeof *request_kinds; i++) {
        const struct request_kind *kind = &request_kinds[i];
        if (kind->type == frame->type) {
            bool fits = request.bytes >= kind->min_bytes && request.bytes <= kind->max_bytes;
            if (!scene->bundle_is_whole && kind->needs_bundle) {
                return SCENE_STATUS_BAD_MODEL;
            }
            return fits ? kind->handle(scene, request, answer) : SCENE_STATUS_BAD_LENGTH;
        }
    }
    return SCENE_STATUS_UNKNOWN_REQUEST;
}

static void converse(struct scene *scene, bool version_known) {
    struct link_frame frame = link_received(&scene->receiver);
    if (frame.type == 0 || frame.type >= LINK_ANSWER) {
        return; // no request
    }
    uint8_t *payload = scene->answer + LINK_HEADER_BYTES;
    struct scene_answer answer = {.bytes = payload + 1};
    crash_request(frame.type);
    enum scene_status status = version_known ? dispatch(scene, &frame, &answer) : SCENE_STATUS_BAD_VERSION;
    if (answer.left_out > 0) {
        status = SCENE_STATUS_INTERNAL;
    }
    payload[0] = (uint8_t)status;
    size_t bytes = status == SCENE_STATUS_OK ? 1 + answer.length : 1;
    link_send(scene->answer, frame.type | LINK_ANSWER, frame.address, bytes, scene->port.write);
    if (scene->leave != NULL) {
        scene->leave();
    }
    crash_request(0);
}

enum frontend_status scene_init(struct scene *scene, const struct scene_bundle *bundle, const struct scene_port *port,
    const struct scene_memory *memory) {
    *scene = (struct scene){.bundle = bundle, .port = *port, .memory = *memory, .state = SCENE_IDLE};
    link_receiver_init(&scene->receiver);
    scene->bundle_is_whole = self_test_constants_are_whole(&port->constants);
    if (!scene->bundle_is_whole) {
        return FRONTEND_OK; // the front end will not be used
    }
    return frontend_init(&scene->frontend, bundle->frontend, memory->history, memory->history_samples, memory->work,
        memory->work_floats);
}

void scene_receive(struct scene *scene, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        switch (link_receive(&scene->receiver, bytes[i])) {
        case LINK_FRAME:
            scene->frames_ok++;
            converse(scene, true);
            break;
        case LINK_ERROR_VERSION:
            converse(scene, false);
            break;
        case LINK_ERROR_CRC:
            scene->crc_errors++;
            break;
        case LINK_ERROR_OVERSIZE:
            scene->oversize++;
            break;
        case LINK_ERROR_MALFORMED:
            scene->malformed++;
            break;
        case LINK_NONE:
        case LINK_TEXT: // typed into a terminal
            break;
        }
    }
}
