"""Draw the effect of each augmentation on one clip: `tinyscene experiment augmentations OUT.png`.

The clip is synthetic (`synth`), and so is the microphone if no folder of impulse responses is named.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinyscene import figures
from tinyscene.augment import ALL, SPECAUGMENT, AugmentConfig, Microphone, images as augment_images, variants, waveform
from tinyscene.data import SCENES, synth
from tinyscene.figures import FILL, INK, MUTED
from tinyscene.frontend import Variant, config as frontend_config
from tinyscene.training import normalise

PRESET = "p1"
SEED = 1
SCENE = "park"  # birds: both stripes and tones
MADE_UP = Microphone("made up", (0.25, 1.0, -0.55, -0.3, -0.15))  # thin in the bass
MADE_UP_FOLDER = "folder"
# stronger than in training, so that the effect is visible
EXAMPLES = (
    AugmentConfig(time_roll=15),
    AugmentConfig(frequency_masks=2, frequency_mask_width=12),
    AugmentConfig(time_masks=2, time_mask_width=8),
    AugmentConfig(specaugment="LD", **SPECAUGMENT["LD"]),
    AugmentConfig(mixup=1.0),
    AugmentConfig(freq_mixstyle=1.0),
    AugmentConfig(gain=10.0),
    AugmentConfig(noise=1.0),
    AugmentConfig(impulse_responses=MADE_UP_FOLDER),
    AugmentConfig(time_stretch=0.3),
    AugmentConfig(pitch_shift=4.0),
)
NOT_OF_A_CLIP = ("device_balance",)  # changes how often clips are used
COLUMNS = 4
DRAWS = 21  # odd, so that one of them is the median
RANGE = 2.5  # standard deviations, from white to black
COLOURS = LinearSegmentedColormap.from_list("ink", ["#ffffff", FILL, INK])


def draw(microphone: Microphone = MADE_UP, examples: Sequence[AugmentConfig] = EXAMPLES) -> Figure:
    """Draw the clip as it is, then one panel for each example, all in the same colours.

    Args:
        microphone: microphone of the example with impulse responses.
        examples: settings with one augmentation each.
    """
    config = frontend_config.preset(PRESET)
    firsts = [next(plans) for _, plans in itertools.groupby(synth.plan_clips(10, SEED), lambda plan: plan.scene)]
    signals = [(synth.render(plan, SEED) / 32768).astype(np.float32) for plan in firsts]
    images = np.stack([frontend_config.log_mel(signal, config) for signal in signals]).astype(np.float32)
    normalisation = normalise(images)
    standard = normalisation.apply(images)
    shown = SCENES.index(SCENE)
    decibel = np.float32(config.decibel) / np.asarray(normalisation.std, np.float32)

    rows = -(-(len(examples) + 1) // COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    _panel(panels[0], standard[shown], f"a clip: {SCENE}, synthetic")
    figure.supxlabel("frame", color=MUTED, fontsize=8)
    figure.supylabel("mel band", color=MUTED, fontsize=8)
    for axes, example in itertools.zip_longest(panels[1:], examples):
        if example is None:
            axes.set_visible(False)
            continue
        batch, variant = standard.copy(), _variant(example, microphone)
        if variant is not None:
            batch[shown] = normalisation.apply(frontend_config.log_mel(variant.apply(signals[shown]), config))
        _panel(axes, _typical(batch, shown, example, decibel), _title(example, variant))
    return figure


def switches() -> list[str]:
    """Return the keys of `AugmentConfig` that turn an augmentation on: those that are off by default."""
    return [field.name for field in dataclasses.fields(AugmentConfig) if not field.default]


def _title(example: AugmentConfig, variant: Variant | None) -> str:
    """Return the first key that the example sets, with its value, as in a TOML file."""
    key = next(key for key in switches() if getattr(example, key))
    if isinstance(variant, Microphone):
        return f"{key}: {variant.title}"
    value = getattr(example, key)
    return f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:g}"


def _variant(example: AugmentConfig, microphone: Microphone) -> Variant | None:
    """Return the variant that changes the waveform, the last one if there are several."""
    if example.impulse_responses is not None:
        return microphone
    groups = variants.wanted(example)
    return groups[0][1][-1] if groups else None


def _typical(
    batch: NDArray[np.float32], shown: int, example: AugmentConfig, decibel: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return one image of a batch after augmentation: of many draws, the one with the median change."""
    targets = np.eye(len(batch), dtype=np.float32)
    draws = [
        augment_images.batch(batch, targets, example, np.random.default_rng(seed), decibel)[0][shown]
        for seed in range(DRAWS)
    ]
    change = [float(np.abs(image - batch[shown]).mean()) for image in draws]
    return draws[int(np.argsort(change, kind="stable")[DRAWS // 2])]


def _panel(axes: Axes, image: NDArray[np.float32], title: str) -> None:
    figures.style(axes)
    axes.imshow(image, origin="lower", aspect="auto", cmap=COLOURS, vmin=-RANGE, vmax=RANGE, interpolation="nearest")
    axes.set_title(title, loc="left", fontsize=8, color=INK)


def write(out: Path, impulse_responses: Path | None) -> None:
    """Write the figure as PNG: the command `tinyscene experiment augmentations`.

    Args:
        out: PNG file.
        impulse_responses: folder of WAV files, of which the first is used; None: a made-up impulse response.
    """
    microphone = MADE_UP
    if impulse_responses is not None:
        microphone = waveform.microphones(impulse_responses, ALL)[0]
    figures.save_png(draw(microphone), out)
