// Streaming: keeps the samples that later frames need, finds each frame's padding, and runs its steps.
//
// Positions are sample numbers of the clip; those below 0 and from clip_samples on are padding. Only the samples under
// the window count, as n_fft - win_length zeros surround it. The mirrored samples of a frame never reach further back
// than one sample before its window's start, which is why the history holds win_length + 1 samples.
#include "frontend.h"

#include <string.h>

#include "frontend_exact.h"
#include "frontend_stages.h"
#include "frontend_window.h"

static uint32_t padding_of(const struct frontend_config *config) {
    return config->padding == FRONTEND_NO_PADDING ? 0 : config->n_fft / 2u;
}

// Position of the first sample under the window of a frame.
static int32_t window_start(const struct frontend_config *config, uint32_t frame) {
    return (int32_t)(frame * config->hop_length + frontend_window_offset(config)) - (int32_t)padding_of(config);
}

// How many samples of the clip must have come before a frame can be computed.
static uint32_t samples_needed(const struct frontend_config *config, uint32_t frame) {
    const int32_t start = window_start(config, frame), end = start + config->win_length;
    int32_t needed = end > 0 ? end : 0;
    if (config->padding == FRONTEND_REFLECT_PADDING && 1 - start > needed) {
        needed = 1 - start; // position start is sample -start
    }
    return (uint32_t)needed < config->clip_samples ? (uint32_t)needed : config->clip_samples;
}

static bool needs_image(const struct frontend_config *config) {
    return config->top_db >= 0.0f || config->peak_normalise;
}

// The buffer holds a frame, and then its column of features.
static size_t signal_floats(const struct frontend_config *config) {
    return config->n_fft > config->mels ? config->n_fft : config->mels;
}

static size_t image_floats(const struct frontend_config *config) {
    return needs_image(config) ? (size_t)config->mels * config->frames : 0;
}

size_t frontend_history_samples(const struct frontend_config *config) {
    return (size_t)config->win_length + 1;
}

size_t frontend_work_floats(const struct frontend_config *config) {
    return signal_floats(config) + config->n_fft + image_floats(config);
}

static bool is_consistent(const struct frontend_config *config) {
    const uint32_t padding = padding_of(config);
    return config->fft->n == config->n_fft && config->n_fft % 2 == 0 && config->win_length >= 1 &&
           config->win_length <= config->n_fft && config->hop_length >= 1 && config->mels >= 1 &&
           config->clip_samples > padding && config->clip_samples + 2 * padding >= config->n_fft &&
           config->clip_samples <= INT32_MAX / 2 &&
           config->frames == (config->clip_samples + 2 * padding - config->n_fft) / config->hop_length + 1;
}

enum frontend_status frontend_init(struct frontend *frontend, const struct frontend_config *config, int16_t *history,
    size_t history_samples, float *work, size_t work_floats) {
    if (!is_consistent(config)) {
        return FRONTEND_BAD_CONFIG;
    }
    if (history_samples < frontend_history_samples(config) || work_floats < frontend_work_floats(config)) {
        return FRONTEND_MEMORY_TOO_SMALL;
    }
    frontend->config = config;
    frontend->history = history;
    frontend->signal = work;
    frontend->spectrum = work + signal_floats(config);
    frontend->image = needs_image(config) ? frontend->spectrum + config->n_fft : NULL;
    frontend_begin(frontend);
    return FRONTEND_OK;
}

void frontend_begin(struct frontend *frontend) {
    const int32_t start = window_start(frontend->config, 0);
    frontend->history_start = start > 1 ? (uint32_t)start - 1 : 0;
    frontend->received = 0;
    frontend->frame = 0;
    frontend->exact_frames = 0;
}

bool frontend_complete(const struct frontend *frontend) {
    return frontend->received == frontend->config->clip_samples && frontend->frame == frontend->config->frames;
}

size_t frontend_push(struct frontend *frontend, const int16_t *pcm, size_t count) {
    const struct frontend_config *config = frontend->config;
    const bool frames_left = frontend->frame < config->frames;
    const uint32_t end = frames_left ? samples_needed(config, frontend->frame) : config->clip_samples;
    const uint32_t wanted = end > frontend->received ? end - frontend->received : 0;
    const uint32_t taken = count < wanted ? (uint32_t)count : wanted;
    if (frames_left) {
        const uint32_t first = frontend->received, start = frontend->history_start;
        const uint32_t skipped = start > first ? (start - first < taken ? start - first : taken) : 0;
        if (taken > skipped) {
            memcpy(frontend->history + (first + skipped - start), pcm + skipped, (taken - skipped) * sizeof *pcm);
        }
    }
    frontend->received += taken;
    return taken;
}

// Drops the samples that no frame from the next one on needs.
static void drop_history(struct frontend *frontend) {
    const int32_t next = window_start(frontend->config, frontend->frame) - 1;
    if (next <= (int32_t)frontend->history_start) {
        return;
    }
    const uint32_t start = (uint32_t)next;
    if (start < frontend->received) {
        memmove(frontend->history, frontend->history + (start - frontend->history_start),
            (frontend->received - start) * sizeof *frontend->history);
    }
    frontend->history_start = start;
}

static int32_t clamp(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : value;
}

// Whether librosa (0.11) mirrors the frame's last sample once more: it pads only the clip's tail, from the first frame
// on that reaches beyond the clip. Where that tail is half an FFT long, its mirror image ends one sample before the
// tail begins, and numpy turns there: it takes the sample after the tail's first one, not the sample before it.
static bool mirrors_twice(const struct frontend_config *config, uint32_t frame, int32_t start) {
    const uint32_t half = config->n_fft / 2u;
    return config->padding == FRONTEND_REFLECT_PADDING && config->win_length == config->n_fft && frame >= 2 &&
           config->hop_length >= half && start == (int32_t)(config->clip_samples - half);
}

static struct frontend_frame waiting_frame(const struct frontend *frontend) {
    const struct frontend_config *config = frontend->config;
    const int32_t length = config->win_length, clip = (int32_t)config->clip_samples;
    const int32_t start = window_start(config, frontend->frame), inside = clamp(-start, 0, length);
    return (struct frontend_frame){
        .samples = frontend->history,
        .first = start - (int32_t)frontend->history_start,
        .inside = inside,
        .beyond = clamp(clip - start, inside, length),
        .padding = config->padding,
        .mirrors_twice = mirrors_twice(config, frontend->frame, start),
    };
}

// Runs a frame up to a stage, and returns its values.
static float *run_frame(struct frontend *frontend, const struct frontend_frame *frame, enum frontend_stage last) {
    const struct frontend_config *config = frontend->config;
    float *const signal = frontend->signal, *const spectrum = frontend->spectrum;
    const uint32_t shift = frontend_window(config, frame, signal);
    if (last == FRONTEND_STAGE_WINDOWED) {
        return signal;
    }
    frontend_fft(config->fft, signal, spectrum);
    if (last == FRONTEND_STAGE_SPECTRUM) {
        return spectrum;
    }
    const float level = frontend_power(config, spectrum);
    if (last == FRONTEND_STAGE_POWER) {
        return spectrum;
    }
    const float scale = 1.0f / (float)(1u << shift * config->power); // a power of two: exact
    frontend_mel(config, spectrum, scale, signal);
    if (!frontend_is_resolved(config, signal, scale * level)) {
        frontend_exact_power(config, frame, signal, spectrum);
        frontend_mel(config, spectrum, 1.0f, signal);
        frontend->exact_frames++;
    }
    if (last == FRONTEND_STAGE_LOG) {
        frontend_log(config, signal);
    }
    return signal;
}

// Computes the frame that waits into frontend->signal.
static bool compute_frame(struct frontend *frontend) {
    const struct frontend_config *config = frontend->config;
    if (frontend->frame >= config->frames || frontend->received < samples_needed(config, frontend->frame)) {
        return false;
    }
    const struct frontend_frame frame = waiting_frame(frontend);
    (void)run_frame(frontend, &frame, FRONTEND_STAGE_LOG);
    frontend->frame++;
    drop_history(frontend);
    return true;
}

const float *frontend_probe(
    struct frontend *frontend, const int16_t *samples, enum frontend_stage stage, size_t *count) {
    const struct frontend_config *config = frontend->config;
    const struct frontend_frame frame = {.samples = samples, .beyond = config->win_length};
    frontend_begin(frontend);
    switch (stage) {
    case FRONTEND_STAGE_WINDOWED:
    case FRONTEND_STAGE_SPECTRUM:
        *count = config->n_fft;
        break;
    case FRONTEND_STAGE_POWER:
        *count = config->n_fft / 2u + 1;
        break;
    case FRONTEND_STAGE_MEL:
    case FRONTEND_STAGE_LOG:
        *count = config->mels;
        break;
    }
    return run_frame(frontend, &frame, stage);
}

bool frontend_frame(struct frontend *frontend, float *column) {
    const bool computed = compute_frame(frontend);
    if (computed) {
        memcpy(column, frontend->signal, frontend->config->mels * sizeof *column);
    }
    return computed;
}

// Puts the column just computed where it belongs: INT8 features, or the float image that waits for the clip's end.
static void place_column(struct frontend *frontend, int8_t *features) {
    const struct frontend_config *config = frontend->config;
    const size_t frames = config->frames, column = frontend->frame - 1u;
    if (frontend->image == NULL) {
        frontend_quantise_column(config, frontend->signal, features + column, frames);
        return;
    }
    for (size_t m = 0; m < config->mels; m++) {
        frontend->image[m * frames + column] = frontend->signal[m];
    }
}

static void quantise_image(struct frontend *frontend, int8_t *features) {
    const struct frontend_config *config = frontend->config;
    const size_t frames = config->frames;
    frontend_finish_image(config, frontend->image);
    for (size_t column = 0; column < frames; column++) {
        for (size_t m = 0; m < config->mels; m++) {
            frontend->signal[m] = frontend->image[m * frames + column];
        }
        frontend_quantise_column(config, frontend->signal, features + column, frames);
    }
}

enum frontend_status frontend_feed(struct frontend *frontend, const int16_t *pcm, size_t count, int8_t *features) {
    for (;;) {
        while (compute_frame(frontend)) {
            place_column(frontend, features);
            if (frontend->image != NULL && frontend->frame == frontend->config->frames) {
                quantise_image(frontend, features);
            }
        }
        if (count == 0) {
            return FRONTEND_OK;
        }
        const size_t taken = frontend_push(frontend, pcm, count);
        if (taken == 0) {
            return FRONTEND_CLIP_FULL;
        }
        pcm += taken;
        count -= taken;
    }
}

// The first frame without padding before it, whose place every later frame of an endless stream takes.
static uint32_t steady_frame(const struct frontend_config *config) {
    uint32_t frame = 0;
    while (window_start(config, frame) < 1) {
        frame++;
    }
    return frame;
}

bool frontend_can_follow(const struct frontend_config *config) {
    const uint32_t frame = steady_frame(config);
    return !needs_image(config) && frame < config->frames &&
           window_start(config, frame) + config->win_length <= (int32_t)config->clip_samples;
}

size_t frontend_follow(struct frontend *frontend, const int16_t *pcm, size_t count, int8_t *features, bool *moved) {
    const struct frontend_config *config = frontend->config;
    const size_t taken = frontend_push(frontend, pcm, count), frames = config->frames;
    *moved = compute_frame(frontend);
    if (*moved) {
        for (size_t m = 0; m < config->mels; m++) {
            memmove(features + m * frames, features + m * frames + 1, frames - 1);
        }
        frontend_quantise_column(config, frontend->signal, features + frames - 1, frames);
        if (frontend->frame > steady_frame(config)) { // stay there: the stream moves under it instead
            frontend->frame--;
            frontend->received -= config->hop_length;
            frontend->history_start -= config->hop_length;
        }
    }
    return taken;
}
