// What the two sides of the front end's bench share: see frontend_bench.c.
#ifndef FRONTEND_BENCH_H
#define FRONTEND_BENCH_H

#include <stdbool.h>

#include "frontend.h"

enum { BENCH_STEPS = 8 };

typedef void bench_step(void);

// The same steps made of another library; NULL where it has none.
extern bench_step *const bench_peer[BENCH_STEPS];
extern float *const bench_peer_column; // what its logarithm leaves, [mels]

// Gets the peer ready for a frame; false if it cannot.
bool bench_peer_begin(const struct frontend_config *config, const int16_t *pcm);

#endif
