"""The clips that stand for a whole list, the intervals of their scores, and the files of answers."""

import csv
import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from runs import bundle
from tinyscene.bundle.probabilities import softmax
from tinyscene.data.dataset import SCENES, Clip
from tinyscene.device.answers import compare, write_differences, write_submission
from tinyscene.device.subset import intervals, stratified
from tinyscene.evaluation import metrics


def population(count: int, seed: int = 1) -> list[Clip]:
    """Clips of unequal numbers a scene, device and location, in random order."""
    chance = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        scene = SCENES[int(10 * chance.random() ** 2)]
        device = "abc"[int(3 * chance.random() ** 2)]
        place = f"lyon-{chance.integers(7)}"
        clips.append(Clip(f"audio/{scene}-{place}-{number}-{device}.wav", scene, place, "lyon", device, number + 2))
    return clips


@pytest.mark.parametrize("count", [10, 33, 200, 777])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_stratum_has_its_share(count: int, seed: int) -> None:
    """Scenes, devices of a scene and locations of a device: the share, rounded down or up."""
    clips = population(1000)
    chosen = stratified(clips, count, seed)
    assert len(chosen) == len(set(chosen)) == count
    assert chosen == [clip for clip in clips if clip in set(chosen)], "in the order of the list"
    for key in (
        lambda clip: clip.scene,
        lambda clip: (clip.scene, clip.device),
        lambda clip: (clip.scene, clip.device, clip.identifier),
    ):
        whole, part = Counter(map(key, clips)), Counter(map(key, chosen))
        for stratum, size in whole.items():
            assert abs(part[stratum] - size * count / len(clips)) < 1


def test_the_seed_decides() -> None:
    """The same one gives the same clips, another one others."""
    clips = population(300)
    assert stratified(clips, 40, 1) == stratified(clips, 40, 1)
    assert stratified(clips, 40, 1) != stratified(clips, 40, 2)
    assert stratified(clips, 300, 1) == stratified(clips, 301, 1) == clips


def test_intervals_hold_the_whole_lists_scores() -> None:
    """Of 200 subsets at least nine in ten do; 95 % are promised."""
    clips = population(2000)
    chance = np.random.default_rng(2)
    logits = chance.normal(size=(len(clips), len(SCENES)))
    logits[np.arange(len(clips)), [SCENES.index(str(clip.scene)) for clip in clips]] += 2
    probabilities = softmax(logits)
    devices = [clip.device for clip in clips]
    whole = metrics.score([str(clip.scene) for clip in clips], probabilities, devices, SCENES)
    row = {clip: number for number, clip in enumerate(clips)}
    held = Counter[str]()
    for seed in range(200):
        chosen = stratified(clips, 150, seed)
        found = intervals(chosen, probabilities[[row[clip] for clip in chosen]], SCENES)
        for key, (low, high) in found.items():
            held[key] += low <= whole[key] <= high
    assert min(held.values()) >= 180
    assert set(held) == {"accuracy", "log_loss"}


def test_wilsons_interval() -> None:
    """8 of 10: 0.490 to 0.943 (Wilson, JASA 22, 1927; the numbers by hand)."""
    clips = population(10)
    probabilities = np.full((10, 10), 0.01)
    for number, clip in enumerate(clips):
        truth = SCENES.index(str(clip.scene))
        probabilities[number, truth if number < 8 else (truth + 1) % 10] = 0.91
    low, high = intervals(clips, probabilities, SCENES)["accuracy"]
    z = 1.959964
    middle, half = (0.8 + z * z / 20) / (1 + z * z / 10), z * np.sqrt(0.016 + z * z / 400) / (1 + z * z / 10)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert (low, high) == pytest.approx((0.490, 0.943), abs=1e-3)


def test_submission(tmp_path: Path) -> None:
    """Tabs, a header, the scenes in alphabetical order whatever the bundle's, probabilities that sum to one."""
    model = bundle()
    clips = population(3)
    outputs = np.random.default_rng(1).integers(-60, 60, (3, 10)).astype(np.int8)
    write_submission(tmp_path / "s.csv", model, clips, outputs)
    header, *rows = [line.split("\t") for line in (tmp_path / "s.csv").read_text().splitlines()]
    assert header[:2] == ["filename", "scene_label"]
    assert header[2:] == [
        *("airport", "bus", "metro", "metro_station", "park"),
        *("public_square", "shopping_mall", "street_pedestrian", "street_traffic", "tram"),
    ]
    for clip, output, row in zip(clips, outputs, rows, strict=True):
        values = dict(zip(header[2:], map(float, row[2:]), strict=True))
        assert (row[0], row[1]) == (clip.filename, model.classes[int(output.argmax())])
        assert sum(values.values()) == pytest.approx(1, abs=1e-8)
        expected = dict(zip(model.classes, model.probabilities(output), strict=True))
        assert values == pytest.approx(expected, rel=1e-8)


def test_a_submission_keeps_the_log_loss_of_an_overconfident_network(tmp_path: Path) -> None:
    """Probabilities of 2e-9 count: with six decimals they would be clipped as if they were zero."""
    model = bundle()
    model = dataclasses.replace(model, output=dataclasses.replace(model.output, scale=0.1))
    outputs = np.full((4, 10), -100, np.int8)
    outputs[:, 0] = 100
    clips = [Clip(f"audio/{k}.wav", None, "x-1", "x", "a", 0) for k in range(4)]
    write_submission(tmp_path / "s.csv", model, clips, outputs)
    rows = list(csv.DictReader((tmp_path / "s.csv").open(), delimiter="\t"))
    written = np.array([[float(row[name]) for name in model.classes] for row in rows])
    truth = [0, 0, 0, 3]
    expected = log_loss(truth, model.probabilities(outputs), labels=range(10))
    assert log_loss(truth, written, labels=range(10)) == pytest.approx(expected, abs=1e-6)
    assert expected > 4


def test_differences(tmp_path: Path) -> None:
    """Each clip that differs is listed with both outputs; the counts tell the rest."""
    model, clips = bundle(), population(3)
    host = np.zeros((3, 10), np.int8)
    host[:, 4] = [9, 127, 5]
    board = host.copy()
    board[1, 2] = -128
    board[2, 3] = 7
    ports = {clip.filename: f"port{number}" for number, clip in enumerate(clips)}
    write_differences(tmp_path / "d.tsv", model, clips, ports, board, host)
    header, *rows = [line.split("\t") for line in (tmp_path / "d.tsv").read_text().splitlines()]
    assert header == ["filename", "port", "board_scene", "host_scene", "board_outputs", "host_outputs"]
    park, station = model.classes[4], model.classes[3]
    assert [row[:4] for row in rows] == [
        [clips[1].filename, "port1", park, park],
        [clips[2].filename, "port2", station, park],
    ]
    assert rows[0][4:] == ["0 0 -128 0 127 0 0 0 0 0", "0 0 0 0 127 0 0 0 0 0"]
    assert compare(board, host) == {"clips": 3, "identical": 1, "same_class": 2, "max_abs_diff": 128}
