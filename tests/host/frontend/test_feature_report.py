"""The command `tinyscene features`: what it chooses, computes and says, and the speeds that it measures."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import runs
from tinyscene.bench import feature_speed
from tinyscene.cli import frontend_choice
from tinyscene.console import console
from tinyscene.errors import ConfigError, DatasetError, TinysceneError
from tinyscene.frontend import config as frontend_config, engines as feature_engines, features, report as feature_report

CONFIG = frontend_config.preset("p1")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four clips, one of them on a list without labels; features go to a cache of their own."""
    monkeypatch.setattr(features, "cache_directory", lambda: tmp_path / "cache")
    root = tmp_path / "data"
    (root / "audio").mkdir(parents=True)
    (root / "evaluation_setup").mkdir()
    random = np.random.default_rng(1)
    for i in range(4):
        soundfile.write(root / "audio" / f"park-lyon-{i}-{i}-0-a.wav", random.normal(0, 0.05, 44100), 44100, "PCM_24")
    (root / "meta.csv").write_text(
        "filename\tscene_label\tidentifier\tsource_label\n"
        + "".join(f"audio/park-lyon-{i}-{i}-0-a.wav\tpark\tlyon-{i}\ta\n" for i in range(4))
    )
    (root / "evaluation_setup" / "fold1_test.csv").write_text("filename\naudio/park-lyon-2-2-0-a.wav\n")
    return root


def test_one_front_end_is_chosen(tmp_path: Path) -> None:
    bundle = runs.bundle()
    bundle.save(tmp_path / "bundle", "# Card\n")
    (tmp_path / "run.toml").write_text(
        'name = "x"\n[frontend]\npreset = "p3"\n[student]\nnetwork = "student"\nepochs = 1\n'
    )
    choose = frontend_choice.choose_frontend
    assert choose(None, None, None) == frontend_config.preset("p1")
    assert choose("p2", None, None) == frontend_config.preset("p2")
    assert choose(None, tmp_path / "bundle", None) == bundle.frontend
    assert choose(None, None, tmp_path / "run.toml") == frontend_config.preset("p3")
    with pytest.raises(ConfigError, match="choose one of them"):
        choose("p1", None, tmp_path / "run.toml")


def report(data: Path, split: str | None, engine: str = "c") -> tuple[str, dict]:
    with console.capture() as capture:
        feature_report.report(data, split, CONFIG, engine, as_json=data / "figures.json")
    return capture.get(), json.loads((data / "figures.json").read_text())


def test_a_list_then_the_rest_then_nothing(data: Path) -> None:
    said, figures = report(data, "fold1_test")
    assert said.startswith("1 clips, 1 of them computed now")
    assert (figures["clips"], figures["computed"]) == (1, 1)
    _, figures = report(data, None)
    assert (figures["clips"], figures["computed"]) == (4, 3)
    _, figures = report(data, None)
    assert (figures["clips"], figures["computed"]) == (4, 0)
    folder = Path(figures["cache"])
    assert folder.name == feature_engines.identity(CONFIG, "c")
    assert figures["cache_bytes"] == 20 + 4 * (20 + 4 * 80 * 51)
    assert figures["peak_memory_bytes"] > 1e7
    _, figures = report(data, None, "librosa")
    assert figures["computed"] == 4
    assert Path(figures["cache"]) != folder


def test_a_data_set_without_clips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(DatasetError, match="audio has no audio files; put clips such as"):
        feature_report.report(tmp_path, None, CONFIG, "c")


@pytest.mark.parametrize("name", frontend_config.PRESETS)
def test_plain_librosa_is_what_is_compared(data: Path, name: str) -> None:
    config = frontend_config.preset(name)
    path = data / "audio" / "park-lyon-0-0-0-a.wav"
    plain = feature_speed.plain_librosa(path, config)
    assert plain.shape == config.shape
    assert plain.dtype == np.float32
    ours = features.log_mel_of_file(path, config, "librosa")
    if config.peak_normalise:
        plain = plain / np.abs(plain).max()
    assert np.abs(plain - ours).mean() < 0.01 * np.abs(ours).mean()


def test_the_estimate_measures_every_way(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_speed, "ROUNDS", 1)
    monkeypatch.setattr(feature_speed, "BATCHES_A_WORKER", 2)
    with console.capture() as capture:
        feature_speed.report(data, None, CONFIG, clips=3, workers=2, as_json=data / "speed.json")
    figures = json.loads((data / "speed.json").read_text())
    assert list(figures) == [feature_speed.READING, feature_speed.C, feature_speed.LIBROSA, feature_speed.PLAIN]
    for name, speed in figures.items():
        assert name in capture.get()
        assert speed["one_core"] > 0
        assert speed["all_workers"] > 0
    assert "hours are of 139,620 clips" in capture.get()
    assert "the features take 2.28 GB in the cache" in capture.get()
    assert not (data.parent / "cache").exists(), "it only measures"


def test_the_estimate_wants_sound_clips(data: Path) -> None:
    (data / "audio" / "park-lyon-2-2-0-a.wav").write_bytes(b"RIFF")
    with pytest.raises(TinysceneError, match=r"park-lyon-2-2-0-a\.wav"):
        feature_speed.report(data, "fold1_test", CONFIG, clips=3, workers=1, as_json=None)
