"""Count the instructions of many small models in one image of the emulated board, since building takes most time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyscene import compiler, test_image
from tinyscene.compiler import CompiledModel
from tinyscene.compiler.execution import ENGINE, ENGINE_FLAGS

MAIN = """\
#include "mps2.h"
#include "semihost.h"
{headers}
static _Alignas(16) uint8_t arena[{arena}];
static int8_t input[{inputs}], output[{outputs}];
static void (*const models[])(void *, const int8_t *, int8_t *) = {{{names}}};

int main(void) {{
    const int32_t counts = semihost_open("instructions.bin", SEMIHOST_WRITE);
    uint32_t random = 1;
    for (uint32_t i = 0; i < sizeof input; i++) {{
        random = random * 1664525u + 1013904223u;
        input[i] = (int8_t)(int32_t)(random >> 24);
    }}
    for (uint32_t i = 0; i < sizeof models / sizeof models[0]; i++) {{
        timer0_start();
        const uint32_t begin = timer0_ticks();
        models[i](arena, input, output);
        const uint32_t instructions = timer0_instructions(timer0_ticks() - begin);
        semihost_write(counts, &instructions, sizeof instructions);
    }}
    semihost_close(counts);
    return 0;
}}
"""


def count(models: Sequence[CompiledModel], folder: Path) -> list[int]:
    """Return the instructions of one inference of each model, on random input; everything is built in `folder`."""
    prefixes = [f"model{position}" for position in range(len(models))]
    for model, prefix in zip(models, prefixes, strict=True):
        compiler.write(model, folder, prefix)
    main = MAIN.format(
        headers="\n".join(f'#include "{prefix}.h"' for prefix in prefixes),
        arena=max(16, *(model.memory.arena_bytes for model in models)),
        inputs=max(model.input.elements for model in models),
        outputs=max(model.output.elements for model in models),
        names=", ".join(f"{prefix}_run" for prefix in prefixes),
    )
    (folder / "main.c").write_text(main)
    sources = [folder / "main.c", *(folder / f"{prefix}.c" for prefix in prefixes), *sorted(ENGINE.glob("*.c"))]
    image = test_image.build(folder / "count.elf", sources, [folder, ENGINE], ENGINE_FLAGS)
    assert test_image.run(image, folder) == 0
    counts = np.fromfile(folder / "instructions.bin", "<u4")
    assert len(counts) == len(models)
    return [int(number) for number in counts]
