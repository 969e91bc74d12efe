// Runs the clips on standard input through the front end, in chunks of 100 samples; built with sanitizers.
#include <stdio.h>

#include "frontend_host.h"

static int16_t pcm[FRONTEND_CLIP_SAMPLES];
static uint32_t chunks[FRONTEND_CLIP_SAMPLES / 100 + 1];
static float image[FRONTEND_MELS * FRONTEND_FRAMES];
static int8_t features[FRONTEND_MELS * FRONTEND_FRAMES];
static struct frontend_host host;

int main(void) {
    const size_t count = sizeof chunks / sizeof *chunks;
    for (size_t i = 0; i < count; i++) {
        chunks[i] = i + 1 < count ? 100 : FRONTEND_CLIP_SAMPLES % 100;
    }
    while (fread(pcm, sizeof pcm, 1, stdin) == 1) {
        if (frontend_host_log_mel(&host, pcm, image) != FRONTEND_OK ||
            frontend_host_features(&host, pcm, chunks, count, features) != FRONTEND_OK) {
            return 1;
        }
        fwrite(features, sizeof features, 1, stdout);
    }
    return 0;
}
