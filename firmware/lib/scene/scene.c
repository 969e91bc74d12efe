// The conversation, and the requests about the board and the image: see scene.h and docs/PROTOCOL.md.
#include "scene_internal.h"

#include <string.h>

#define MAX_ANSWER (LINK_MAX_PAYLOAD - 1) // after the status

enum { REBOOT_FIRMWARE, REBOOT_BOOT_LOADER }; // REBOOT's mode

typedef enum status (*handler)(struct scene *scene, struct request request, struct answer *answer);

struct request_kind {
    uint8_t type;
    uint16_t min_bytes, max_bytes; // of the payload
    handler handle;
};

void answer_put(struct answer *answer, const void *bytes, size_t count) {
    if (count > MAX_ANSWER - answer->length) {
        answer->overflow = true;
        return;
    }
    memcpy(answer->bytes + answer->length, bytes, count);
    answer->length += count;
}

void answer_u8(struct answer *answer, uint8_t value) {
    answer_put(answer, &value, sizeof value);
}

void answer_u16(struct answer *answer, uint16_t value) {
    uint8_t bytes[sizeof value];
    write_u16(bytes, value);
    answer_put(answer, bytes, sizeof bytes);
}

void answer_u32(struct answer *answer, uint32_t value) {
    uint8_t bytes[sizeof value];
    write_u32(bytes, value);
    answer_put(answer, bytes, sizeof bytes);
}

void answer_f32(struct answer *answer, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    answer_u32(answer, bits);
}

static void answer_str8(struct answer *answer, const char *string) {
    size_t length = strlen(string);
    answer_u8(answer, (uint8_t)length);
    answer_put(answer, string, length);
}

uint32_t microseconds(const struct scene *scene, uint32_t cycles) {
    return (uint32_t)((uint64_t)cycles * 1000000u / scene->port.clock_hz);
}

uint32_t run_model(struct scene *scene, int8_t *outputs) {
    uint32_t begin = scene->port.cycles();
    scene->bundle->run(scene->memory.arena, scene->memory.image, outputs);
    ++scene->inferences;
    return scene->port.cycles() - begin;
}

static size_t image_bytes(const struct scene *scene) {
    return (size_t)scene->bundle->frontend->mels * scene->bundle->frontend->frames;
}

static void answer_labels(struct answer *answer, const struct scene_bundle *bundle) {
    size_t length = bundle->classes - 1u; // the TABs
    for (size_t i = 0; i < bundle->classes; ++i) {
        length += strlen(bundle->labels[i]);
    }
    answer_u16(answer, (uint16_t)length);
    for (size_t i = 0; i < bundle->classes; ++i) {
        if (i > 0) {
            answer_u8(answer, '\t');
        }
        answer_put(answer, bundle->labels[i], strlen(bundle->labels[i]));
    }
}

static enum status info(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    const struct scene_bundle *bundle = scene->bundle;
    answer_u8(answer, LINK_VERSION);
    answer_put(answer, bundle->identity, SCENE_IDENTITY_BYTES);
    answer_u32(answer, scene->port.clock_hz);
    answer_u32(answer, bundle->frontend->sample_rate);
    answer_u32(answer, bundle->frontend->clip_samples);
    answer_u16(answer, bundle->frontend->mels);
    answer_u16(answer, bundle->frontend->frames);
    answer_u8(answer, bundle->classes);
    answer_u8(answer, (uint8_t)bundle->output_kind);
    answer_f32(answer, bundle->output_scale);
    answer_u32(answer, (uint32_t)bundle->output_zero_point);
    answer_u32(answer, LINK_MAX_PAYLOAD);
    answer_str8(answer, scene->port.board);
    answer_str8(answer, scene->port.firmware);
    answer_str8(answer, bundle->name);
    answer_labels(answer, bundle);
    answer_str8(answer, scene->port.build);
    return STATUS_OK;
}

static enum status statistics(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    answer_u32(answer, scene->frames_ok);
    answer_u32(answer, scene->crc_errors);
    answer_u32(answer, scene->port.overruns());
    answer_u32(answer, scene->oversize);
    answer_u32(answer, scene->inferences);
    answer_u32(answer, scene->malformed);
    return STATUS_OK;
}

static enum status reboot(struct scene *scene, struct request request, struct answer *answer) {
    (void)answer;
    if (request.payload[0] > REBOOT_BOOT_LOADER) {
        return STATUS_BAD_VALUE;
    }
    void (*leave)(void) = request.payload[0] == REBOOT_FIRMWARE ? scene->port.restart : scene->port.boot_loader;
    if (leave == NULL) {
        return STATUS_BAD_STATE;
    }
    scene->leave = leave;
    return STATUS_OK;
}

static enum status features_write(struct scene *scene, struct request request, struct answer *answer) {
    (void)answer;
    size_t offset = read_u16(request.payload);
    size_t count = request.bytes - 2;
    if (offset + count > image_bytes(scene)) {
        return STATUS_BAD_OFFSET;
    }
    memcpy(scene->memory.image + offset, request.payload + 2, count);
    return STATUS_OK;
}

static enum status features_run(struct scene *scene, struct request request, struct answer *answer) {
    (void)request;
    // into the answer, not into memory.outputs: those belong to the last clip, whose answer may be asked for again
    int8_t *outputs = (int8_t *)answer->bytes + sizeof(uint32_t);
    answer_u32(answer, microseconds(scene, run_model(scene, outputs)));
    answer->length += scene->bundle->classes;
    return STATUS_OK;
}

static enum status features_read(struct scene *scene, struct request request, struct answer *answer) {
    size_t offset = read_u16(request.payload);
    size_t count = read_u16(request.payload + 2);
    if (count == 0 || count > MAX_ANSWER) {
        return STATUS_BAD_VALUE;
    }
    if (offset + count > image_bytes(scene)) {
        return STATUS_BAD_OFFSET;
    }
    answer_put(answer, scene->memory.image + offset, count);
    return STATUS_OK;
}

static const struct request_kind request_kinds[] = {
    {0x01, 0, 0, info},
    {0x02, 0, 0, statistics},
    {0x03, 1, 1, crash_read},
    {0x04, 0, 0, self_test},
    {0x05, 1, 1, reboot},
    {0x10, 3, LINK_MAX_PAYLOAD, features_write},
    {0x11, 0, 0, features_run},
    {0x12, 4, 4, features_read},
    {0x13, 0, 0, profile_run},
    {0x14, 4, 4, profile_read},
    {0x20, 0, 0, audio_begin},
    {0x21, 6, LINK_MAX_PAYLOAD, audio_write},
    {0x22, 0, 0, audio_end},
    {0x30, 1, 6, stream_start},
    {0x31, 6, LINK_MAX_PAYLOAD, stream_write},
    {0x32, 0, 0, stream_stop},
    {0x33, 0, 0, stream_status},
    {0x40, 4, LINK_MAX_PAYLOAD, probe_write},
    {0x41, 5, 5, probe_read},
};

// Requests 0x02 to 0x0F are about the board alone.
static bool needs_bundle(uint8_t type) {
    return type < 0x02 || type > 0x0F;
}

static enum status dispatch(struct scene *scene, const struct link_frame *frame, struct answer *answer) {
    const struct request request = {frame->payload, frame->payload_bytes};
    for (size_t i = 0; i < sizeof request_kinds / sizeof *request_kinds; ++i) {
        const struct request_kind *kind = &request_kinds[i];
        if (kind->type == frame->type) {
            bool fits = request.bytes >= kind->min_bytes && request.bytes <= kind->max_bytes;
            if (!scene->bundle_is_whole && needs_bundle(kind->type)) {
                return STATUS_BAD_MODEL;
            }
            return fits ? kind->handle(scene, request, answer) : STATUS_BAD_LENGTH;
        }
    }
    return STATUS_UNKNOWN_REQUEST;
}

static void converse(struct scene *scene, bool version_known) {
    struct link_frame frame = link_received(&scene->receiver);
    if (frame.type == 0 || frame.type >= LINK_ANSWER) {
        return; // no request
    }
    uint8_t *payload = scene->answer + LINK_HEADER_BYTES;
    struct answer answer = {.bytes = payload + 1};
    crash_request(frame.type);
    enum status status = version_known ? dispatch(scene, &frame, &answer) : STATUS_BAD_VERSION;
    if (answer.overflow) {
        status = STATUS_INTERNAL;
    }
    payload[0] = (uint8_t)status;
    size_t bytes = status == STATUS_OK ? 1 + answer.length : 1;
    link_send(scene->answer, frame.type | LINK_ANSWER, frame.sequence, bytes, scene->port.write);
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
        return FRONTEND_OK; // nobody will use it
    }
    return frontend_init(&scene->frontend, bundle->frontend, memory->history, memory->history_samples, memory->work,
        memory->work_floats);
}

void scene_receive(struct scene *scene, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        switch (link_receive(&scene->receiver, bytes[i])) {
        case LINK_FRAME:
            ++scene->frames_ok;
            converse(scene, true);
            break;
        case LINK_ERROR_VERSION:
            converse(scene, false);
            break;
        case LINK_ERROR_CRC:
            ++scene->crc_errors;
            break;
        case LINK_ERROR_OVERSIZE:
            ++scene->oversize;
            break;
        case LINK_ERROR_MALFORMED:
            ++scene->malformed;
            break;
        case LINK_NONE:
        case LINK_TEXT: // somebody types into a terminal
            break;
        }
    }
}
