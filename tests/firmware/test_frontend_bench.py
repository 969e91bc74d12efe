"""The front end's bench: both engines compute the frame, and what it counts stays within the budgets of FRONTEND.md."""

import pytest

from tinyscene.bench import frontend as frontend_bench
from tinyscene.bench.frontend import CMSIS_DSP, KISSFFT, RARE, STEPS, TINYSCENE
from tinyscene.frontend import mps2 as frontend_mps2

# Instructions of a frame, everything included: counted, not timed, and so the same on every machine with this compiler.
BUDGETS = {"base": 150_000, "p1": 150_000, "p2": 80_000, "p3": 80_000, "p4": 80_000, "dcase2022": 150_000}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], frontend_bench.StepCounts]:
    return {(row.preset, row.engine): row for row in frontend_bench.measure()}


@pytest.mark.parametrize(("preset", "budget"), BUDGETS.items())
def test_every_preset_keeps_its_budget(rows, preset, budget):
    row = rows[preset, TINYSCENE]
    assert list(row.steps) == list(STEPS)
    assert row.total == sum(count for step, count in row.steps.items() if step != RARE)
    assert row.total <= budget


def test_cmsis_dsp_computes_the_same_frame_where_it_has_the_size(rows):
    peers = {preset: row for (preset, engine), row in rows.items() if engine == CMSIS_DSP}
    assert set(peers) == {"p2", "p3", "p4", "dcase2022"}
    for preset, peer in peers.items():
        assert peer.snr_db > 110
        assert rows[preset, TINYSCENE].snr_db > 110
        assert peer.total > rows[preset, TINYSCENE].total, f"CMSIS-DSP wins at {preset}: say so in FRONTEND.md"
        assert peer.steps["FFT"] > rows[preset, TINYSCENE].steps["FFT"], f"use CMSIS-DSP's FFT for {preset}"


def test_recorded_figures_are_marked(rows):
    kissfft = rows["p1", KISSFFT]
    assert (kissfft.source, kissfft.steps, kissfft.total) == ("recorded", {"FFT": 357_167}, None)


def test_steps_sum_up_to_what_a_clip_takes(rows, tmp_path):
    """The bench's frame costs what a frame of a whole clip costs on the board, but for streaming."""
    from frontend_cases import noise_clip

    from tinyscene.frontend import config as frontend_config
    from tinyscene.frontend.scaling import Normalisation, Quantisation

    config = frontend_config.preset("p3")
    normalisation = Normalisation((-40.0,) * config.n_mels, (13.0,) * config.n_mels)
    image = frontend_mps2.build(config, normalisation, Quantisation(0.04, -7), tmp_path)
    clip = frontend_mps2.run(image, config, noise_clip(config)[None]).instructions[0] / config.frames
    assert rows["p3", TINYSCENE].total == pytest.approx(clip, rel=0.06)
