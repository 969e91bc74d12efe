"""A synthetic ten-scene data set in the TAU layout, for demonstrations and tests where no recordings are at hand.

A clip is a sum of sources (`synth_sources`) as its scene's recipe asks, heard at one location (its own balance of
sources, level, colour and reverberation) through one device (frequency response, compression, self-noise). Locations
of one scene differ more than clips of one location, and scenes share most of their sources; one source in each tells it
from the others: learnable, not trivial.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft

from tinyscene import files
from tinyscene.console import console, progress_bar
from tinyscene.data import synth_sources as sources
from tinyscene.data.clip_audio import pcm16
from tinyscene.data.clip_list import SCENES
from tinyscene.data.synth_sources import HERTZ, RATE, SAMPLES, Signal, Source
from tinyscene.errors import DatasetError

VERSION = 2  # version of the clips' sound; raise it with any change of a recipe, so that old files are not reused
LICENCE = """\
CC0 1.0: these sounds were computed by `tinyscene data synth`, none was recorded. Whoever made them dedicates them to
the public domain: use them, and what is made from them, for any purpose, without conditions.
https://creativecommons.org/publicdomain/zero/1.0/
"""
FOLDS = 3
LOCATIONS = 24  # locations of each scene; a third of them are in the test list of each fold
CITIES = ("barcelona", "helsinki", "lisbon", "london", "lyon", "milan", "paris", "prague", "stockholm", "vienna")
UNSEEN_DEVICES = ("s4", "s5", "s6")  # only in test lists, as in TAU 2022
DEVICES = ("a",) * 8 + ("b", "c", "s1", "s2", "s3") * 2 + UNSEEN_DEVICES  # how often each records

STAMP_FILE = "synth.json"
_WAV_BYTES = 44 + 2 * SAMPLES


@dataclass(frozen=True)
class Part:
    """One source in a recipe: how loud on average (dB), and the probability that a clip has it."""

    source: Source
    level: float
    probability: float = 1.0


RECIPES: dict[str, tuple[Part, ...]] = {
    "airport": (
        Part(sources.ventilation, 0),
        Part(sources.babble, -5),
        Part(sources.footsteps, -10, 0.6),
        Part(sources.trolley, -4, 0.9),
        Part(sources.announcement, -2, 0.6),
        Part(sources.jet, -2),
    ),
    "bus": (
        Part(sources.engine, 3),
        Part(sources.rumble, -2),
        Part(sources.talk, -7, 0.6),
        Part(sources.trolley, -14, 0.5),
        Part(sources.doors, -6, 0.2),
        Part(sources.traffic, -9),
    ),
    "metro": (
        Part(sources.rumble, 3),
        Part(sources.tunnel, 0),
        Part(sources.rails, -6),
        Part(sources.whine, -12, 0.4),
        Part(sources.squeal, -14, 0.2),
        Part(sources.talk, -9, 0.5),
        Part(sources.announcement, -8, 0.15),
        Part(sources.ventilation, -6),
    ),
    "metro_station": (
        Part(sources.escalator, 1),
        Part(sources.train, -2, 0.8),
        Part(sources.ventilation, -5),
        Part(sources.announcement, -4, 0.4),
        Part(sources.babble, -8),
        Part(sources.footsteps, -7, 0.7),
        Part(sources.doors, -5, 0.3),
    ),
    "park": (
        Part(sources.wind, -3),
        Part(sources.leaves, -5),
        Part(sources.birds, -3, 0.85),
        Part(sources.traffic, -9),
        Part(sources.footsteps, -12, 0.3),
        Part(sources.talk, -10, 0.3),
    ),
    "public_square": (
        Part(sources.fountain, 0),
        Part(sources.traffic, -6),
        Part(sources.babble, -5),
        Part(sources.bell, -3, 0.5),
        Part(sources.birds, -10, 0.4),
        Part(sources.wind, -5, 0.4),
        Part(sources.footsteps, -9, 0.6),
    ),
    "shopping_mall": (
        Part(sources.music, 1),
        Part(sources.babble, -1),
        Part(sources.ventilation, -7),
        Part(sources.footsteps, -8, 0.7),
        Part(sources.scanner, -8, 0.5),
        Part(sources.trolley, -12, 0.2),
    ),
    "street_pedestrian": (
        Part(sources.babble, -3),
        Part(sources.footsteps, 0),
        Part(sources.traffic, -6),
        Part(sources.talk, -1, 0.8),
        Part(sources.music, -10, 0.15),
        Part(sources.wind, -8, 0.4),
    ),
    "street_traffic": (
        Part(sources.traffic, 0),
        Part(sources.passing, 2),
        Part(sources.engine, -9, 0.5),
        Part(sources.horn, -8, 0.08),
        Part(sources.wind, -6, 0.4),
        Part(sources.footsteps, -14, 0.3),
    ),
    "tram": (
        Part(sources.rails, 1),
        Part(sources.rumble, -4),
        Part(sources.whine, -2, 0.95),
        Part(sources.squeal, -8, 0.4),
        Part(sources.talk, -8, 0.6),
        Part(sources.bell, -6, 0.3),
        Part(sources.traffic, -9),
    ),
}
INDOORS = ("airport", "metro_station", "shopping_mall")
VEHICLES = ("bus", "metro", "tram")

LOCATION_SPREAD = 2.5  # dB, standard deviation of a source's level from one location to the next
CLIP_SPREAD = 2.0  # dB, the same from one clip to the next


@dataclass(frozen=True)
class ClipPlan:
    """What determines a clip, apart from the seed."""

    scene: str
    number: int  # number of the clip within its scene
    location: int  # number of the location within its scene
    city: str
    device: str

    @property
    def identifier(self) -> str:
        """Official location identifier; the numbers of two scenes differ."""
        return f"{self.city}-{SCENES.index(self.scene) * LOCATIONS + self.location}"

    @property
    def filename(self) -> str:
        """Official name: scene-city-location-recording-segment-device."""
        return f"audio/{self.scene}-{self.identifier}-{self.number // 10}-{self.number % 10}-{self.device}.wav"

    @property
    def test_fold(self) -> int:
        """The fold that tests this clip's location."""
        return 1 + self.location % FOLDS


def write_dataset(folder: Path, *, clips_per_scene: int = 60, seed: int = 1) -> None:
    """Write the data set: audio first, lists last; the same command resumes an interrupted run.

    Args:
        folder: absent, empty, or left by a run with the same arguments.
        clips_per_scene: number of clips of each of the ten scenes.
        seed: seed of everything random; the same seed gives the same bytes.

    Raises:
        DatasetError: the folder holds something else.
        TinysceneError: a file cannot be written.
    """
    folder = Path(folder)
    _claim(folder, {"tinyscene_synth": VERSION, "seed": seed, "clips_per_scene": clips_per_scene})
    plans = list(plan_clips(clips_per_scene, seed))
    waiting = [plan for plan in plans if not _is_complete(folder / plan.filename)]
    with progress_bar() as progress, ThreadPoolExecutor(os.cpu_count()) as pool:
        task = progress.add_task("synthesising", total=len(plans), completed=len(plans) - len(waiting))
        clips = [pool.submit(_write_clip, folder, plan, seed) for plan in waiting]
        try:
            for clip in as_completed(clips):
                clip.result()
                progress.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the clips being written, not for the rest
            raise
    files.write_text(folder / "LICENSE.txt", LICENCE)
    _write_lists(folder, plans)
    console.print(f"{len(plans)} clips of {len(SCENES)} scenes in {folder}", soft_wrap=True)


def plan_clips(clips_per_scene: int, seed: int) -> Iterator[ClipPlan]:
    """Yield all clips: locations in turn, devices drawn as often as DEVICES has them."""
    for scene in SCENES:
        rng = _generator(seed, "plan", scene)
        cities = rng.permutation(np.resize(CITIES, LOCATIONS))
        devices = np.concatenate([rng.permutation(DEVICES) for _ in range(1 + clips_per_scene // len(DEVICES))])
        for number in range(clips_per_scene):
            location = number % LOCATIONS
            yield ClipPlan(scene, number, location, str(cities[location]), str(devices[number]))


def render(plan: ClipPlan, seed: int) -> NDArray[np.int16]:
    """Return the PCM of one clip, [44100] int16."""
    rng = _generator(seed, "clip", plan.scene, plan.number)
    place = _generator(seed, "location", plan.scene, plan.location)
    recipe = RECIPES[plan.scene]
    balance = place.normal(0, LOCATION_SPREAD, len(recipe))
    mix = np.zeros(SAMPLES)
    for part, offset in zip(recipe, balance, strict=True):
        if rng.random() < part.probability:
            mix += _amplitude(part.level + offset + rng.normal(0, CLIP_SPREAD)) * part.source(rng)
    heard = sources.unit(sources.filtered(mix, _acoustics(place, plan.scene)))
    level = _amplitude(-26 + place.normal(0, 3) + rng.normal(0, 2))
    return pcm16(_record(rng, level * heard, plan.device))


def _acoustics(place: Generator, scene: str) -> NDArray[np.complexfloating]:
    """Return the frequency response of a location: direct sound, a reverberation tail, and a colour."""
    if scene in INDOORS:
        seconds, wet = place.uniform(0.25, 0.9), place.uniform(0.5, 1.0)
    elif scene in VEHICLES:
        seconds, wet = place.uniform(0.05, 0.2), place.uniform(0.3, 0.8)
    else:
        seconds, wet = place.uniform(0.1, 0.4), place.uniform(0.05, 0.4)
    tail = place.standard_normal(SAMPLES) * np.exp(-6.9 * sources.TIME / seconds)
    tail *= wet / np.sqrt(np.sum(np.square(tail)))
    tail[0] += 1
    return fft.rfft(tail) * sources.tilt(place.normal(-2, 1.0))


@dataclass(frozen=True)
class Device:
    """A recorder: its response, and the exponent that compresses its slow level changes (1: none)."""

    response: NDArray[np.float64]
    compression: float
    self_noise: float  # dB of full scale


@lru_cache
def _device(name: str) -> Device:
    """Make a device from its name alone: it is the same in every data set."""
    if name == "a":  # the reference recorder
        return Device(sources.band(20, 20000), 1.0, -84)
    rng = _generator("device", name)
    octaves = np.arange(-5.0, 5.0)  # around 1 kHz
    knots = rng.normal(0, 3.0, len(octaves))
    colour = np.interp(np.log2(np.maximum(HERTZ, 20) / 1000), octaves, knots)
    edges = sources.band(rng.uniform(60, 180), rng.uniform(8000, 16000))
    return Device(edges * np.power(10.0, colour / 20), rng.uniform(0.5, 0.9), rng.uniform(-78, -66))


def _record(rng: Generator, signal: Signal, name: str) -> Signal:
    """Return what a device records of the sound at its microphone."""
    device = _device(name)
    captured = sources.filtered(signal, device.response)
    if device.compression < 1:
        power = sources.filtered(np.square(captured), sources.band(0, 15))
        envelope = np.sqrt(np.maximum(power, 0.03 * power.mean() + 1e-10))  # the filter rings below zero
        captured = captured * (envelope / 0.05) ** (device.compression - 1)
    return captured + _amplitude(device.self_noise) * rng.standard_normal(SAMPLES)


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _generator(*key: object) -> Generator:
    """Return a separate generator for every key, so that no clip depends on another."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _claim(folder: Path, stamp: dict[str, int]) -> None:
    """Mark the folder as ours before anything is written into it, and remove what an interrupted run left."""
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file; name a folder for the synthetic data set")
    path = folder / STAMP_FILE
    if path.is_file():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            found = None
        if found != stamp:
            raise DatasetError(f"{folder} holds another synthetic data set ({found}); remove it or name another folder")
        for leftover in (folder / "audio").glob(".*.wav"):
            leftover.unlink()
    elif folder.is_dir() and any(folder.iterdir()):
        raise DatasetError(f"{folder} is not empty and not a synthetic data set; name another folder")
    else:
        files.write_json(path, stamp)


def _is_complete(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == _WAV_BYTES


def _write_clip(folder: Path, plan: ClipPlan, seed: int) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, render(plan, seed), RATE, format="WAV", subtype="PCM_16")
    files.write_bytes(folder / plan.filename, wav.getvalue())


def _write_lists(folder: Path, plans: list[ClipPlan]) -> None:
    labelled = ("filename", "scene_label")
    for fold in range(1, FOLDS + 1):
        test = [(plan.filename, plan.scene) for plan in plans if plan.test_fold == fold]
        train = [
            (plan.filename, plan.scene)
            for plan in plans
            if plan.test_fold != fold and plan.device not in UNSEEN_DEVICES
        ]
        setup = folder / "evaluation_setup"
        _write_list(setup / f"fold{fold}_train.csv", [labelled, *train])
        _write_list(setup / f"fold{fold}_test.csv", [("filename",), *((name,) for name, _ in test)])
        _write_list(setup / f"fold{fold}_evaluate.csv", [labelled, *test])
    meta = [(plan.filename, plan.scene, plan.identifier, plan.device) for plan in plans]
    _write_list(folder / "meta.csv", [(*labelled, "identifier", "source_label"), *meta])


def _write_list(path: Path, rows: list[tuple[str, ...]]) -> None:
    files.write_text(path, "".join("\t".join(row) + "\r\n" for row in rows))
