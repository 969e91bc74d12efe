"""The C front end on this machine against the golden vectors, stage by stage; and that they find what is wrong."""

import numpy as np
import pytest

from broken_tables import FAULTS, broken_tables
from tinyscene.frontend import golden
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.stage import Stage


def host(vectors: golden.Vectors) -> HostFrontend:
    return HostFrontend(vectors.config, vectors.normalisation, vectors.quantisation)


def stages_apart(vectors: golden.Vectors, computed: HostFrontend) -> list[str]:
    """Return the stages that are not near enough to librosa's, in order."""
    apart = {
        str(stage)
        for frame in vectors.frames.values()
        for stage in Stage
        if frame.snr_db(stage, computed.stage(frame.samples, stage)) < golden.SNR_DB
    }
    for name in golden.WHOLE:
        equal, largest = golden.equal_and_largest(vectors.features[name], computed.features(vectors.clips[name]))
        if equal < golden.FEATURES_EQUAL or largest > 1:
            apart.add("features")
    return [name for name in (*map(str, Stage), "features") if name in apart]


@pytest.mark.parametrize("name", golden.CONFIGS)
def test_every_stage_is_near_librosas(name):
    vectors = golden.load(golden.FOLDER / f"{name}.npz")
    assert stages_apart(vectors, host(vectors)) == []


@pytest.mark.parametrize("name", ["base", "p1", "short_window", "peak"])  # base has the most mel weights a band
@pytest.mark.parametrize("stage", FAULTS)
def test_a_wrong_table_is_found_at_its_stage(name, stage):
    vectors = golden.load(golden.FOLDER / f"{name}.npz")
    with broken_tables(stage):
        broken = host(vectors)
    apart = stages_apart(vectors, broken)
    assert apart[0] == stage


@pytest.mark.parametrize("name", ["p1", "short_window"])
def test_a_stage_leaves_no_trace_in_the_next_clip(name):
    vectors = golden.load(golden.FOLDER / f"{name}.npz")
    clip, computed = vectors.clips["noise"], host(vectors)
    expected = computed.features(clip)
    for stage in Stage:
        values = computed.stage(vectors.frames["chirp"].samples, stage)
        assert len(values) == stage.size(vectors.config.n_fft, vectors.config.n_mels)
        np.testing.assert_array_equal(computed.features(clip), expected)
        np.testing.assert_array_equal(computed.stage(vectors.frames["chirp"].samples, stage), values)


@pytest.mark.parametrize("name", ["p1", "p3", "dcase2022"])
def test_some_frames_take_the_exact_fft_and_most_do_not(name):
    """From the mel stage on, where a band lies too deep below the others."""
    vectors = golden.load(golden.FOLDER / f"{name}.npz")
    computed = host(vectors)

    def is_exact(clip: str) -> bool:
        computed.stage(vectors.frames[clip].samples, Stage.MEL)
        return computed.exact_frames == 1

    assert is_exact("square")
    assert not any(map(is_exact, ("noise", "chirp", "impulse", "one bit", "silence")))


def test_a_frame_of_another_length_is_refused():
    vectors = golden.load(golden.FOLDER / "short_window.npz")
    with pytest.raises(ValueError, match=r"a frame is int16 \[201\], not int16 \[200\]"):
        host(vectors).stage(np.zeros(200, np.int16), Stage.MEL)
