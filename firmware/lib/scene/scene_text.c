// Lines for people and serial plotters; numbers by integers only, since printf costs more flash than all of this.
#include "scene_internal.h"

#include <math.h>
#include <string.h>

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(tokens) #tokens

static void write_string(const struct scene *scene, const char *string) {
    scene->port.write((const uint8_t *)string, strlen(string));
}

static void write_identity(const struct scene *scene) {
    char digits[2 * SCENE_IDENTITY_BYTES + 1] = {0};
    for (size_t i = 0; i < 2 * SCENE_IDENTITY_BYTES; i++) {
        uint8_t byte = scene->bundle->identity[i / 2];
        digits[i] = "0123456789abcdef"[i % 2 == 0 ? byte >> 4 : byte & 15];
    }
    write_string(scene, digits);
}

void scene_greet(const struct scene *scene) {
    write_string(scene, "# tinyscene ");
    write_string(scene, scene->port.firmware);
    write_string(scene, " board=");
    write_string(scene, scene->port.board);
    if (!scene->bundle_is_whole) {
        write_string(scene,
            " protocol=" TEXT(LINK_VERSION) ": the bundle in its flash is damaged; flash the firmware again\r\n");
        return;
    }
    write_string(scene, " bundle=");
    write_string(scene, scene->bundle->name);
    write_string(scene, " identity=");
    write_identity(scene);
    write_string(scene, " protocol=" TEXT(LINK_VERSION) "\r\n");
}

// Weight of a class: probabilities are weights divided by their sum.
static float weight(const struct scene_bundle *bundle, int8_t output, int8_t greatest) {
    if (bundle->output_kind == SCENE_LOGITS) {
        return expf(bundle->output_scale * (float)(output - greatest)); // softmax, kept from overflowing
    }
    return bundle->output_scale * (float)(output - bundle->output_zero_point);
}

// "0.00" to "1.00"
static void write_probability(const struct scene *scene, float probability) {
    unsigned hundredths = (unsigned)(probability * 100.0f + 0.5f);
    const char digits[] = {
        (char)('0' + hundredths / 100), '.', (char)('0' + hundredths / 10 % 10), (char)('0' + hundredths % 10), '\0'};
    write_string(scene, digits);
}

void scene_probabilities(const struct scene *scene, float *probabilities) {
    const struct scene_bundle *bundle = scene->bundle;
    const int8_t *outputs = scene->memory.outputs;
    int8_t greatest = INT8_MIN;
    for (size_t i = 0; i < bundle->classes; i++) {
        greatest = outputs[i] > greatest ? outputs[i] : greatest;
    }
    float sum = 0.0f;
    for (size_t i = 0; i < bundle->classes; i++) {
        probabilities[i] = weight(bundle, outputs[i], greatest);
        sum += probabilities[i];
    }
    for (size_t i = 0; i < bundle->classes; i++) {
        probabilities[i] = sum > 0.0f ? probabilities[i] / sum : 0.0f;
    }
}

void scene_text_probabilities(const struct scene *scene, const float *probabilities) {
    for (size_t i = 0; i < scene->bundle->classes; i++) {
        write_string(scene, i > 0 ? "\t" : "");
        write_string(scene, scene->bundle->labels[i]);
        write_string(scene, ":");
        write_probability(scene, probabilities[i]);
    }
    write_string(scene, "\r\n");
}

static void write_unsigned(const struct scene *scene, uint32_t value) {
    char digits[11], *first = digits + sizeof digits - 1;
    *first = '\0';
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    write_string(scene, first);
}

// Tenths, as "-31.2".
static void write_tenths(const struct scene *scene, int32_t tenths) {
    const uint32_t magnitude = (uint32_t)(tenths < 0 ? -tenths : tenths);
    write_string(scene, tenths < 0 ? "-" : "");
    write_unsigned(scene, magnitude / 10);
    write_string(scene, ".");
    write_unsigned(scene, magnitude % 10);
}

void scene_text_status(const struct scene *scene, uint32_t dropped) {
    const struct scene_stream *stream = &scene->stream;
    write_string(scene, "# scene=");
    write_string(scene, stream->scene == SCENE_REJECTED ? "?" : scene->bundle->labels[stream->scene]);
    write_string(scene, " level=");
    write_tenths(scene, stream->level);
    write_string(scene, " peak=");
    write_tenths(scene, stream->peak_level);
    write_string(scene, " dropped=");
    write_unsigned(scene, dropped);
    write_string(scene, "\r\n");
}
