"""The thesis's training sets, as lists: their sizes on the official data set, and what must hold of any."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tinyscene.augment.lists import Recording, balanced_subset, split, through
from tinyscene.data.clip_list import Clip
from tinyscene.data.dataset import Dataset
from tinyscene.errors import DatasetError

MICROPHONES = [f"microphone{number}" for number in range(8)]


def clips(count: int = 40) -> list[Clip]:
    return [
        Clip(f"audio/{scene}-{city}-{place}-{number}-{device}.wav", scene, f"{city}-{place}", city, device, 0)
        for scene in ("bus", "park")
        for city in ("lyon", "prague")
        for device in ("a", "s1")
        for place, number in ((number % 3, number) for number in range(count if device == "a" else 7))
    ]


def test_sizes_of_the_official_lists(shared_data: Path) -> None:
    originals = list(Dataset(shared_data / "tau2022_lists").split(1, "train"))
    subset = balanced_subset(originals, seed=1)
    copies = through(subset, MICROPHONES)
    assert (len(originals), len(subset), len(copies)) == (139_620, 15_000, 120_000)
    groups = Counter((clip.device, clip.city, clip.scene) for clip in subset)
    assert (len(groups), set(groups.values())) == (600, {25})
    assert [tuple(map(len, split(number, originals, copies, seed=1))) for number in (1, 2, 3)] == [
        (97_734, 41_886),
        (181_734, 77_886),
        (175_620, 84_000),
    ]


def test_a_group_gives_what_it_has_and_no_clip_twice() -> None:
    subset = balanced_subset(clips(), seed=3, group=10)
    assert Counter((clip.device, clip.city, clip.scene) for clip in subset) == {
        (device, city, scene): 10 if device == "a" else 7
        for device in ("a", "s1")
        for city in ("lyon", "prague")
        for scene in ("bus", "park")
    }
    assert len({clip.filename for clip in subset}) == len(subset)


def test_the_seed_alone_chooses() -> None:
    shuffled = clips()
    random.Random(5).shuffle(shuffled)
    assert balanced_subset(shuffled, seed=3, group=10) == balanced_subset(clips(), seed=3, group=10)
    assert balanced_subset(clips(), seed=4, group=10) != balanced_subset(clips(), seed=3, group=10)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_split_loses_and_doubles_nothing(number: int) -> None:
    originals = clips()
    copies = through(balanced_subset(originals, seed=1, group=5), MICROPHONES)
    training, validation = split(number, originals, copies, seed=1)
    expected = [Recording(clip) for clip in originals] + (copies if number > 1 else [])
    assert Counter(training + validation) == Counter(expected)
    if number == 3:
        assert all(recording.microphone for recording in validation)
    assert split(number, originals, copies, seed=1) == (training, validation)
    assert training != sorted(training, key=lambda recording: recording.clip.filename)


def test_what_is_refused() -> None:
    with pytest.raises(DatasetError, match="no split 4; splits are 1, 2 and 3"):
        split(4, clips(), [], seed=1)
    with pytest.raises(DatasetError, match="take 1 or more"):
        balanced_subset(clips(), seed=1, group=0)
    with pytest.raises(DatasetError, match="has no label"):
        balanced_subset([Clip("audio/x.wav", None, "lyon-1", "lyon", "a", 7)], seed=1)
