"""The figure of the augmentations has all of them, and each changes the clip."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from tinyscene.augment.settings import AugmentConfig
from tinyscene.augment.waveform import Microphone
from tinyscene.experiments import augmentation_figure
from tinyscene.paths import REPOSITORY


@pytest.fixture(scope="module")
def figure() -> Figure:
    return augmentation_figure.draw()


def test_no_augmentation_is_forgotten() -> None:
    """What is off by default and set in no example would be a new augmentation that the figure does not show."""
    shown = {
        key
        for key in augmentation_figure.switches()
        for example in augmentation_figure.EXAMPLES
        if getattr(example, key)
    }
    assert shown | set(augmentation_figure.NOT_OF_A_CLIP) == set(augmentation_figure.switches())
    assert {"mixup", "impulse_responses", "specaugment", "gain"} <= shown


def test_each_panel_is_another_image_of_the_clip(figure: Figure) -> None:
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:3] == ["a clip: park, synthetic", "time_roll = 15", "frequency_masks = 2"]
    assert {"impulse_responses: made up", 'specaugment = "LD"', "pitch_shift = 4"} <= set(titles)
    clip, *changed = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert len(changed) == len(augmentation_figure.EXAMPLES)
    assert all(np.abs(image - clip).mean() > 0.05 for image in changed)
    assert np.array_equal(np.sort(changed[0], axis=1), np.sort(clip, axis=1)), "a roll loses nothing"
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=20)
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_another_microphone_is_heard_and_no_panel_is_left_blank() -> None:
    example = AugmentConfig(impulse_responses="folder")
    figure = augmentation_figure.draw(Microphone("dull", (0.25, 0.5, 0.25)), [example])
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == [
        "a clip: park, synthetic",
        "impulse_responses: dull",
    ]


def test_the_command_takes_a_folder_of_microphones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "one.wav", [0.5, 0.25], 44100)
    heard: list[str] = []

    def draw(microphone: Microphone) -> Figure:
        heard.append(microphone.name)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr(augmentation_figure, "draw", draw)
    augmentation_figure.write(tmp_path / "out.png", tmp_path)
    assert heard == ["one"]
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_figure_is_small() -> None:
    assert (REPOSITORY / "docs" / "augmentations.png").stat().st_size < 400_000
