// Test image: runs every clip of pcm.bin and every frame of frames.bin through the front end on the emulated board
// (mps2.py). Of clips it writes images.bin (float log-mel), features.bin (INT8) and instructions.bin (one count
// a clip, for the INT8 features); of frames stages.bin, the values of one stage after the other.
#include "frontend_host.h"
#include "mps2.h"
#include "semihost.h"

static int16_t pcm[FRONTEND_CLIP_SAMPLES];
static float image[FRONTEND_MELS * FRONTEND_FRAMES];
static int8_t features[FRONTEND_MELS * FRONTEND_FRAMES];
static int16_t frame[FRONTEND_HISTORY_SAMPLES];
static float values[FRONTEND_WORK_FLOATS];
static struct frontend_host host;

// Clips of pcm.bin; 0, or what failed.
static int run_clips(void) {
    const int32_t clips = semihost_open("pcm.bin", SEMIHOST_READ);
    const int32_t images = semihost_open("images.bin", SEMIHOST_WRITE);
    const int32_t columns = semihost_open("features.bin", SEMIHOST_WRITE);
    const int32_t counts = semihost_open("instructions.bin", SEMIHOST_WRITE);
    if (clips < 0 || images < 0 || columns < 0 || counts < 0) {
        return 1;
    }
    timer0_start();
    while (semihost_read(clips, pcm, sizeof pcm) == sizeof pcm) {
        if (frontend_host_log_mel(&host, pcm, image) != FRONTEND_OK) {
            return 2;
        }
        const uint32_t chunk = FRONTEND_CLIP_SAMPLES;
        const uint32_t begin = timer0_ticks();
        if (frontend_host_features(&host, pcm, &chunk, 1, features) != FRONTEND_OK) {
            return 3;
        }
        const uint32_t instructions = timer0_instructions(timer0_ticks() - begin);
        if (semihost_write(images, image, sizeof image) != sizeof image ||
            semihost_write(columns, features, sizeof features) != sizeof features ||
            semihost_write(counts, &instructions, sizeof instructions) != sizeof instructions) {
            return 4;
        }
    }
    semihost_close(images);
    semihost_close(columns);
    semihost_close(counts);
    return 0;
}

// Frames of frames.bin; 0, or what failed.
static int run_frames(void) {
    const int32_t frames = semihost_open("frames.bin", SEMIHOST_READ);
    const int32_t stages = semihost_open("stages.bin", SEMIHOST_WRITE);
    if (frames < 0 || stages < 0) {
        return 1;
    }
    const size_t bytes = frontend_tables.win_length * sizeof *frame;
    while (semihost_read(frames, frame, bytes) == bytes) {
        for (int stage = FRONTEND_STAGE_WINDOWED; stage <= FRONTEND_STAGE_LOG; stage++) {
            const size_t size = frontend_host_stage(&host, frame, (enum frontend_stage)stage, values) * sizeof *values;
            if (size == 0) {
                return 5;
            }
            if (semihost_write(stages, values, size) != size) {
                return 4;
            }
        }
    }
    semihost_close(stages);
    return 0;
}

int main(void) {
    const int failure = run_clips();
    return failure != 0 ? failure : run_frames();
}
