"""The C front end on this machine against librosa in float64, and its streaming against itself."""

import ctypes

import numpy as np
import pytest
from frontend_cases import SMALL, noise_clip, real_clips, smooth_sizes
from hypothesis import HealthCheck, Phase, example, given, settings, strategies as st

from tinyscene.bench import frontend_check
from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend_config, host as frontend_host, signals, tables as frontend_tables
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.toolchain import native

OK, BAD_CONFIG, MEMORY_TOO_SMALL, CLIP_FULL = 0, -1, -2, -3


def assert_agrees(agreement: frontend_check.Agreement) -> None:
    assert agreement.lowest_snr_db > 110
    assert agreement.relative_error < 1e-4
    assert agreement.equal >= 0.9999
    assert agreement.largest_step <= 1


@pytest.mark.parametrize("name", frontend_config.PRESETS)
def test_presets_agree_with_librosa_on_200_real_clips(tau_mini, name):
    config = frontend_config.preset(name)
    agreement, *_ = frontend_check.check(real_clips(tau_mini, config, 200), config)
    assert_agrees(agreement)


@pytest.mark.parametrize("name", frontend_config.PRESETS)
def test_presets_agree_with_librosa_on_noise(name):
    config = frontend_config.preset(name)
    clips = [noise_clip(config, seed, deviation) for seed, deviation in enumerate((30, 1000, 9000, 40000))]
    agreement, *_ = frontend_check.check(np.stack(clips), config)
    assert_agrees(agreement)


@pytest.mark.parametrize("name", frontend_config.PRESETS)
def test_presets_agree_with_librosa_on_edge_signals(name):
    """Also those in which most bands lie far below what float32 resolves beside the loudest."""
    config = frontend_config.preset(name)
    clips = signals.clips(config)
    agreement, *_ = frontend_check.check(np.stack([clips[name] for name in signals.EDGES]), config)
    assert_agrees(agreement)


def exact_frames(config: FrontendConfig, clip: np.ndarray) -> int:
    """Return how many frames of a clip took the exact FFT."""
    host = HostFrontend(config)
    host.log_mel(clip)
    return host.exact_frames


def test_the_exact_fft_is_taken_where_it_must_be_and_only_there():
    config = frontend_config.preset("p1")
    clips = signals.clips(config)
    assert exact_frames(config, noise_clip(config)) == 0
    assert exact_frames(config, clips["silence"]) == 0
    assert exact_frames(config, clips["square"]) > 40
    assert exact_frames(frontend_config.preset("dcase2022"), clips["DC"]) == 51


@pytest.mark.parametrize("name", ["p1", "p4", "dcase2022"])
def test_real_clips_do_without_the_exact_fft(tau_mini, name):
    config = frontend_config.preset(name)
    assert sum(exact_frames(config, clip) for clip in real_clips(tau_mini, config, 200)) == 0


def test_silence_is_exactly_the_floor():
    for name, floor in (("p1", 10 * np.log10(1e-10)), ("dcase2022", -1.0)):
        config = frontend_config.preset(name)
        image = HostFrontend(config).log_mel(np.zeros(config.clip_samples, np.int16))
        np.testing.assert_allclose(image, floor, rtol=1e-7)


@st.composite
def configurations(draw: st.DrawFn) -> FrontendConfig:
    """Any choice of everything; clips of a few frames, to be quick."""
    n_fft = draw(st.sampled_from(smooth_sizes(4096)) | st.sampled_from([1024, 1764, 2048, 4096]))
    center = draw(st.booleans())
    rate = draw(st.sampled_from([8000, 16000, 44100, 48000]))
    log = draw(st.sampled_from(["ln", "log10", "db"]))
    fmin = draw(st.sampled_from([0.0, 50.0, 300.0]))
    return FrontendConfig(
        sample_rate=rate,
        clip_samples=(n_fft // 2 + 1 if center else n_fft) + draw(st.integers(0, 3000)),
        n_fft=n_fft,
        win_length=draw(st.integers((n_fft + 2) // 3, n_fft) | st.just(n_fft)),
        hop_length=draw(st.integers((n_fft + 7) // 8, 2 * n_fft)),
        window=draw(st.sampled_from(["hann", "hamming"])),
        center=center,
        pad_mode=draw(st.sampled_from(["reflect", "constant"])),
        power=draw(st.sampled_from([1, 2])),
        n_mels=draw(st.integers(1, 128)),
        fmin=fmin,
        fmax=draw(st.sampled_from([None, 2000.0, 4000.0])),
        htk=draw(st.booleans()),
        norm=draw(st.sampled_from([None, "slaney"])),
        log=log,
        eps=draw(st.sampled_from([1e-10, 1e-5])),
        top_db=draw(st.sampled_from([None, 15.0, 80.0])) if log == "db" else None,
        peak_normalise=draw(st.booleans()),
    )


def mirroring(**options) -> FrontendConfig:
    """Return a configuration whose last frame begins half an FFT before the end; Hamming's window hides no sample."""
    return FrontendConfig(**{**SMALL, "clip_samples": 3840, "window": "hamming", **options})


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # shrinking would compile hundreds of them
)
@example(config=mirroring(hop_length=96))  # takes the sample before its window
@example(config=mirroring(hop_length=128))  # does not, in librosa
@example(config=mirroring(hop_length=192))
@example(config=mirroring(hop_length=128, win_length=255))
@example(config=mirroring(hop_length=128, clip_samples=256))
@example(config=mirroring(hop_length=128, clip_samples=384))
@example(config=mirroring(hop_length=160, clip_samples=160))
@given(config=configurations())
@pytest.mark.filterwarnings("ignore:n_fft=")
def test_any_configuration_agrees_with_librosa(config):
    clip = noise_clip(config)
    expected, image = frontend_config.log_mel(clip / 32768, config), HostFrontend(config).log_mel(clip)
    error = image.astype(float) - expected  # of features near zero, such as the logarithm of 1, an absolute one counts
    assert np.sqrt(np.mean(np.square(error))) <= 10 ** (-110 / 20) * np.abs(expected).max()


@pytest.mark.parametrize("options", [{}, {"power": 1, "top_db": 30.0}, {"peak_normalise": True}], ids=str)
@pytest.mark.parametrize(("scale", "zero_point"), [(0.04, -3), (0.004, 127), (7.0, -128)])
def test_int8_features_are_the_bundles_quantisation_of_the_float_ones(options, scale, zero_point):
    config = FrontendConfig(**SMALL, **options)
    random = np.random.default_rng(3)
    normalisation = Normalisation(tuple(random.normal(-40, 10, 12)), tuple(random.uniform(0.5, 9, 12)))
    quantisation = Quantisation(scale, zero_point)
    host = HostFrontend(config, normalisation, quantisation)
    for clip in (noise_clip(config), *signals.clips(config).values()):
        expected = quantisation.quantise(normalisation.apply(host.log_mel(clip)))
        np.testing.assert_array_equal(host.features(clip), expected)


def test_quantisation_is_the_bundles_at_every_boundary():
    """Features around the halves between two INT8 values, where the order of the operations decides."""
    config = FrontendConfig(**{**SMALL, "n_mels": 1})
    mean, deviation, quantisation = -41.7, 7.3, Quantisation(0.0371, 5)
    normalisation = Normalisation((mean,), (deviation,))
    library = HostFrontend(config, normalisation, quantisation)._library
    tables = ctypes.byref(ctypes.c_char.in_dll(library, "frontend_tables"))
    quantise = ctypes.CDLL(None).frontend_quantise
    quantise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float]
    quantise.restype = ctypes.c_int8
    halves = np.float32((np.arange(-140, 140) + 0.5) * quantisation.scale * deviation + mean)
    around = (halves.view(np.int32)[:, None] + np.arange(-20, 21, dtype=np.int32)).view(np.float32).ravel()
    features = np.concatenate([around, np.float32([-3e38, 3e38, -1e4, 1e4, 0.0, -0.0])])
    expected = quantisation.quantise(normalisation.apply(features[None, :]))[0]
    assert [quantise(tables, 0, float(feature)) for feature in features] == expected.tolist()


def test_rounding_is_half_away_from_zero():
    """A floor of -100 dB less the mean gives exact halves."""
    config = FrontendConfig(**{**SMALL, "n_mels": 6})
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    host = HostFrontend(config, Normalisation(tuple(-100 - halves), (1.0,) * 6), Quantisation(1.0, 0))
    features = host.features(np.zeros(config.clip_samples, np.int16))
    assert features[:, 0].tolist() == [-3, -2, -1, 1, 2, 3]


STREAMS = {
    "reflect": FrontendConfig(**SMALL),
    "constant": FrontendConfig(**SMALL, pad_mode="constant"),
    "no padding": FrontendConfig(**SMALL, center=False),
    "short window": FrontendConfig(**{**SMALL, "win_length": 31}),
    "gaps between frames": FrontendConfig(**{**SMALL, "hop_length": 700}),
    "clip end": FrontendConfig(**SMALL, top_db=20.0, peak_normalise=True),
    "clip shorter than a frame": FrontendConfig(**{**SMALL, "clip_samples": 150}),
}


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_chunks_give_the_same_features(name, data):
    config = STREAMS[name]
    clip = noise_clip(config)
    host = HostFrontend(config, None, Quantisation(0.3, 90))
    cuts = data.draw(st.lists(st.integers(0, config.clip_samples), max_size=60).map(sorted))
    chunks = np.diff([0, *cuts, config.clip_samples]).tolist()
    np.testing.assert_array_equal(host.features(clip, chunks), host.features(clip))


@pytest.mark.parametrize("name", ["p1", "dcase2022"])
def test_single_samples_give_the_same_features(name):
    config = frontend_config.preset(name)
    clip, host = noise_clip(config), HostFrontend(config, None, Quantisation(0.1, 0))
    np.testing.assert_array_equal(host.features(clip, [1] * len(clip)), host.features(clip))


class Stream:
    """The C interface itself, on memory with guards around it."""

    GUARD = 77

    def __init__(self, config: FrontendConfig, history_less: int = 0, work_less: int = 0) -> None:
        host = HostFrontend(config, None, Quantisation(0.3, 90))
        self.config = config
        self.c = ctypes.CDLL(None)  # the shared code, loaded for everyone
        self.state = ctypes.create_string_buffer(host._library.frontend_host_bytes())
        tables = ctypes.c_char.in_dll(host._library, "frontend_tables")
        sizes = frontend_tables.history_samples(config), frontend_tables.work_floats(config)
        self.history = np.full(sizes[0] + 2, self.GUARD, np.int16)
        self.work = np.full(sizes[1] + 2, self.GUARD, np.float32)
        self.features = np.full(config.n_mels * config.frames + 2, self.GUARD, np.int8)
        self.status = self.c.frontend_init(
            self.state,
            ctypes.byref(tables),
            ctypes.c_void_p(self.history[1:].ctypes.data),
            ctypes.c_size_t(sizes[0] - history_less),
            ctypes.c_void_p(self.work[1:].ctypes.data),
            ctypes.c_size_t(sizes[1] - work_less),
        )
        self._host = host

    def begin(self) -> None:
        self.c.frontend_begin(self.state)

    def feed(self, samples: np.ndarray) -> int:
        pcm = np.ascontiguousarray(samples, np.int16)
        status = self.c.frontend_feed(
            self.state,
            ctypes.c_void_p(pcm.ctypes.data),
            ctypes.c_size_t(len(pcm)),
            ctypes.c_void_p(self.features[1:].ctypes.data),
        )
        for memory in (self.history, self.work, self.features):
            assert memory[0] == memory[-1] == self.GUARD
        return status

    @property
    def complete(self) -> bool:
        self.c.frontend_complete.restype = ctypes.c_bool
        return self.c.frontend_complete(self.state)

    @property
    def image(self) -> np.ndarray:
        return self.features[1:-1].reshape(self.config.shape)


@pytest.mark.parametrize("name", STREAMS)
def test_clips_follow_each_other_within_their_memory(name):
    stream = Stream(STREAMS[name])
    assert stream.status == OK
    host = HostFrontend(STREAMS[name], None, Quantisation(0.3, 90))
    for seed in (1, 2):
        clip = noise_clip(stream.config, seed)
        stream.begin()
        assert stream.feed(clip[:-1]) == OK
        assert not stream.complete
        assert stream.feed(clip[-1:]) == OK
        assert stream.complete
        np.testing.assert_array_equal(stream.image, host.features(clip))


def test_begin_forgets_the_clip_so_far():
    stream = Stream(STREAMS["reflect"])
    clip = noise_clip(stream.config)
    stream.feed(noise_clip(stream.config, 9)[:1234])
    stream.begin()
    stream.feed(clip)
    np.testing.assert_array_equal(stream.image, HostFrontend(stream.config, None, Quantisation(0.3, 90)).features(clip))


def test_samples_beyond_the_clip_are_refused_and_change_nothing():
    stream = Stream(STREAMS["reflect"])
    clip = noise_clip(stream.config)
    assert stream.feed(np.append(clip, clip)) == CLIP_FULL
    assert stream.complete
    image = stream.image.copy()
    assert stream.feed(clip[:1]) == CLIP_FULL
    np.testing.assert_array_equal(stream.image, image)
    assert stream.feed(clip[:0]) == OK


def test_too_little_memory_is_refused():
    config = STREAMS["clip end"]
    assert Stream(config).status == OK
    assert Stream(config, history_less=1).status == MEMORY_TOO_SMALL
    assert Stream(config, work_less=1).status == MEMORY_TOO_SMALL


def test_tables_that_contradict_themselves_are_refused(tmp_path):
    config = STREAMS["reflect"]
    normalisation = Normalisation((0.0,) * 12, (1.0,) * 12)
    text = frontend_tables.generate(config, normalisation, Quantisation(1.0, 0))[frontend_tables.SOURCE]
    mistakes = {".frames = 41": ".frames = 42", ".n_fft = 256": ".n_fft = 258", ".hop_length = 100": ".hop_length = 0"}
    for right, wrong in mistakes.items():
        assert text.count(right) == 1
        (tmp_path / "wrong.c").write_text(text.replace(right, wrong))
        frontend_host.emit(config, normalisation, Quantisation(1.0, 0), tmp_path)
        library = native.build_library("wrong", [tmp_path / "wrong.c"], [frontend_host.LIBRARY, tmp_path])
        tables = ctypes.c_char.in_dll(library, "frontend_tables")
        state, memory = ctypes.create_string_buffer(1000), ctypes.create_string_buffer(100000)
        size = ctypes.c_size_t(10000)
        assert ctypes.CDLL(None).frontend_init(state, ctypes.byref(tables), memory, size, memory, size) == BAD_CONFIG


def test_emit_writes_only_what_changed(tmp_path):
    config = frontend_config.preset("base")
    normalisation = Normalisation((0.0,) * 40, (1.0,) * 40)
    frontend_host.emit(config, normalisation, Quantisation(0.1, 0), tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sorted(before) == ["frontend_tables.c", "frontend_tables.h"]
    frontend_host.emit(config, normalisation, Quantisation(0.1, 0), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    frontend_host.emit(config, normalisation, Quantisation(0.1, 1), tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert after["frontend_tables.h"] == before["frontend_tables.h"]
    assert after["frontend_tables.c"] != before["frontend_tables.c"]


def test_what_the_c_front_end_cannot_do_is_refused(tmp_path):
    quantisation = Quantisation(1.0, 0)
    with pytest.raises(ConfigError, match=r"no FFT of n_fft = 1766 points; choose .* such as 1764"):
        HostFrontend(FrontendConfig(n_fft=1766))
    with pytest.raises(ConfigError, match="n_fft up to 65535, not 131072"):
        HostFrontend(FrontendConfig(n_fft=131072, clip_samples=200000))
    with pytest.raises(ConfigError, match="has 40 means and 40 deviations for 80 mel bands"):
        frontend_host.emit(
            frontend_config.preset("p1"), Normalisation((0.0,) * 40, (1.0,) * 40), quantisation, tmp_path
        )
    assert not list(tmp_path.iterdir())


def test_a_clip_of_another_kind_is_refused():
    host = HostFrontend(STREAMS["reflect"])
    with pytest.raises(ValueError, match=r"a clip is int16 \[4000\], not int16 \[3999\]"):
        host.log_mel(np.zeros(3999, np.int16))
    with pytest.raises(ValueError, match=r"a clip is int16 \[4000\], not float32"):
        host.log_mel(np.zeros(4000, np.float32))
    with pytest.raises(ValueError, match="the chunks have 3 samples, the clip 4000"):
        host.features(np.zeros(4000, np.int16), [1, 2])
