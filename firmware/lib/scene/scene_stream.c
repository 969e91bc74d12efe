// Streams: continuous audio from the serial port or the board's microphone, and a result for every clip or every `hop`
// columns of the image.
#include "scene_internal.h"

#include <math.h>
#include <string.h>

#define PIECE 64             // samples that are taken from the microphone at once
#define RATE_TOLERANCE 1000u // a microphone's rate may differ by one part in so many from the bundle's
#define FULL_SCALE 32768.0f
#define SILENCE_TENTHS (-999) // dBFS of no sound at all

static const struct scene_stream_options clip_after_clip = {.source = SCENE_SOURCE_SERIAL, .smoothing = 1};

static void begin_level(struct scene_stream *stream) {
    stream->energy = 0;
    stream->peak = 0;
    stream->samples = 0;
}

static void measure_level(struct scene_stream *stream, const int16_t *samples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const int32_t value = samples[i], magnitude = value < 0 ? -value : value;
        stream->energy += (uint64_t)((uint32_t)magnitude * (uint32_t)magnitude);
        stream->peak = magnitude > stream->peak ? magnitude : stream->peak;
    }
    stream->samples += (uint32_t)count;
}

// Tenths of a decibel, 0 for a mean square of 1.
static int16_t tenths_of_decibels(float mean_square) {
    return mean_square > 0.0f ? (int16_t)lrintf(100.0f * log10f(mean_square)) : SILENCE_TENTHS;
}

static uint32_t dropped_frames(const struct scene *scene) {
    const uint32_t hop = scene->bundle->frontend->hop_length;
    const uint32_t lost = scene->stream.options.source == SCENE_SOURCE_MICROPHONE ? scene->port.microphone->lost() : 0;
    return lost / hop + (lost % hop != 0);
}

// Averages the latest probabilities, and finds the class.
static void smooth(struct scene *scene) {
    struct scene_stream *stream = &scene->stream;
    const size_t classes = scene->bundle->classes, smoothing = stream->options.smoothing;
    float *const ring = scene->memory.posteriors, *const mean = ring + SCENE_MAX_SMOOTHING * classes;
    scene_probabilities(scene, ring + stream->results % smoothing * classes);
    stream->results++;
    const size_t count = stream->results < smoothing ? stream->results : smoothing;
    size_t best = 0;
    for (size_t c = 0; c < classes; c++) {
        float sum = 0.0f;
        for (size_t i = 0; i < count; i++) {
            sum += ring[i * classes + c];
        }
        mean[c] = sum / (float)count;
        best = mean[c] > mean[best] ? c : best;
    }
    stream->scene = mean[best] * 100.0f >= (float)stream->options.reject ? (uint8_t)best : SCENE_REJECTED;
}

static void conclude(struct scene *scene) {
    struct scene_stream *stream = &scene->stream;
    (void)scene_run_model(scene, scene->memory.outputs);
    smooth(scene);
    scene_text_probabilities(scene, scene->memory.posteriors + SCENE_MAX_SMOOTHING * scene->bundle->classes);
    const float scale = 1.0f / (FULL_SCALE * FULL_SCALE);
    stream->level = tenths_of_decibels((float)stream->energy / (float)stream->samples * scale);
    stream->peak_level = tenths_of_decibels((float)stream->peak * (float)stream->peak * scale);
    begin_level(stream);
    if (stream->options.status_lines) {
        scene_text_status(scene, dropped_frames(scene));
    }
}

static void begin_clip(struct scene *scene) {
    scene->stream.clip_samples = 0;
    frontend_begin(&scene->frontend);
}

// Takes samples up to the next result at most, and returns how many.
static size_t take_for_clips(struct scene *scene, const int16_t *samples, size_t count) {
    struct scene_stream *stream = &scene->stream;
    const uint32_t room = scene->bundle->frontend->clip_samples - stream->clip_samples;
    const size_t taken = count < room ? count : room;
    (void)frontend_feed(&scene->frontend, samples, taken, scene->memory.image); // fails only beyond the clip's end
    measure_level(stream, samples, taken);
    stream->clip_samples += (uint32_t)taken;
    if (stream->clip_samples == scene->bundle->frontend->clip_samples) {
        conclude(scene);
        begin_clip(scene);
    }
    return taken;
}

static size_t take_for_columns(struct scene *scene, const int16_t *samples, size_t count) {
    struct scene_stream *stream = &scene->stream;
    bool moved;
    const size_t taken = frontend_follow(&scene->frontend, samples, count, scene->memory.image, &moved);
    measure_level(stream, samples, taken);
    if (moved && --stream->columns_left == 0) {
        conclude(scene);
        stream->columns_left = stream->options.hop;
    }
    return taken;
}

void scene_stream_samples(struct scene *scene, const int16_t *samples, size_t count) {
    scene->position += (uint32_t)count;
    while (count > 0) {
        const size_t taken = scene->stream.options.hop == 0 ? take_for_clips(scene, samples, count)
                                                            : take_for_columns(scene, samples, count);
        samples += taken;
        count -= taken;
    }
}

bool scene_listen(struct scene *scene) {
    if (scene->state != SCENE_STREAM || scene->stream.options.source != SCENE_SOURCE_MICROPHONE) {
        return false;
    }
    int16_t piece[PIECE];
    const size_t count = scene->port.microphone->read(piece, PIECE);
    scene_stream_samples(scene, piece, count);
    return count > 0;
}

void scene_stream_leave(struct scene *scene) {
    if (scene->state == SCENE_STREAM && scene->stream.options.source == SCENE_SOURCE_MICROPHONE) {
        scene->port.microphone->stop();
    }
    scene->state = SCENE_IDLE;
}

// Whether the microphone's rate is the bundle's, near enough.
static bool hears(const struct scene *scene) {
    const struct microphone *microphone = scene->port.microphone;
    const uint32_t rate = scene->bundle->frontend->sample_rate;
    if (microphone == NULL) {
        return false;
    }
    const uint32_t difference = microphone->rate > rate ? microphone->rate - rate : rate - microphone->rate;
    return difference <= rate / RATE_TOLERANCE;
}

static bool read_options(struct scene_request request, struct scene_stream_options *options) {
    const uint8_t *payload = request.payload;
    *options = clip_after_clip;
    options->source = payload[0];
    if (request.bytes > 1) {
        options->hop = read_u16(payload + 1);
        options->smoothing = payload[3];
        options->reject = payload[4];
        options->gain = (int8_t)payload[5];
        options->status_lines = true;
    }
    return options->source <= SCENE_SOURCE_MICROPHONE && options->smoothing >= 1 &&
           options->smoothing <= SCENE_MAX_SMOOTHING && options->reject <= 100;
}

enum scene_status scene_stream_start(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)answer;
    struct scene_stream_options options;
    if (request.bytes != 1 && request.bytes != 6) {
        return SCENE_STATUS_BAD_LENGTH;
    }
    if (!read_options(request, &options) || (options.hop > 0 && !frontend_can_follow(scene->bundle->frontend))) {
        return SCENE_STATUS_BAD_VALUE;
    }
    scene_stream_leave(scene);
    if (options.source == SCENE_SOURCE_MICROPHONE && !(hears(scene) && scene->port.microphone->start(options.gain))) {
        return SCENE_STATUS_BAD_STATE;
    }
    scene->state = SCENE_STREAM;
    scene->position = 0;
    scene->stream = (struct scene_stream){
        .options = options, .columns_left = scene->bundle->frontend->frames, .scene = SCENE_REJECTED};
    begin_level(&scene->stream);
    begin_clip(scene);
    return SCENE_STATUS_OK;
}

enum scene_status scene_stream_stop(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    (void)answer;
    if (scene->state == SCENE_STREAM) {
        scene_stream_leave(scene);
    }
    return SCENE_STATUS_OK;
}

enum scene_status scene_stream_status(struct scene *scene, struct scene_request request, struct scene_answer *answer) {
    (void)request;
    const struct scene_stream *stream = &scene->stream;
    if (scene->state != SCENE_STREAM) {
        return SCENE_STATUS_BAD_STATE;
    }
    scene_answer_u32(answer, stream->results);
    scene_answer_u32(answer, dropped_frames(scene));
    scene_answer_u16(answer, (uint16_t)stream->level);
    scene_answer_u16(answer, (uint16_t)stream->peak_level);
    scene_answer_put(answer, &stream->scene, sizeof stream->scene);
    return SCENE_STATUS_OK;
}
