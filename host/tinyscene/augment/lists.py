"""Which clips a training set with copies through other microphones holds: a balanced subset, its copies, three splits.

Sizes and rules: thesis, sections 4.1.3 and 5.3. Lists only: `augment.waveform` makes the sound.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinyscene.data import Clip
from tinyscene.errors import DatasetError

CLIPS_OF_A_GROUP = 25  # gives the thesis's 15,000 rows; its text says 50, which gives 30,000 on the official list
TRAINING_SHARE = 0.7  # share of originals and of copies for training, in the splits that divide both alike
COPIES_LEARNT = 0.3  # share of the copies that split 3 trains on


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip as it is in the data set, or a copy of it through another microphone.

    Attributes:
        clip: the original.
        microphone: name of the impulse response that the clip is convolved with; None: the original itself.
    """

    clip: Clip
    microphone: str | None = None


def balanced_subset(clips: Iterable[Clip], seed: int, group: int = CLIPS_OF_A_GROUP) -> list[Clip]:
    """Return up to `group` random clips of every (device, city, scene), shuffled.

    Args:
        clips: labelled clips in any order.
        seed: seed of the choice and of the order; the same clips in another order give the same subset.
        group: number of clips taken from a group; a smaller group is taken whole.

    Raises:
        DatasetError: a clip has no label, or `group` is below 1.
    """
    if group < 1:
        raise DatasetError(f"{group} clips of a group were asked for; take 1 or more")
    groups: dict[tuple[str, str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.scene is None:
            raise DatasetError(f"{clip.filename} (line {clip.line} of its list) has no label; use a labelled list")
        groups[clip.device, clip.city, clip.scene].append(clip)
    rng = random.Random(f"{seed}/subset")
    chosen = []
    for _, members in sorted(groups.items()):
        members.sort(key=lambda clip: clip.filename)
        chosen += rng.sample(members, min(group, len(members)))
    rng.shuffle(chosen)
    return chosen


def through(clips: Iterable[Clip], microphones: Sequence[str]) -> list[Recording]:
    """Return a copy of every clip through every microphone."""
    return [Recording(clip, microphone) for clip in clips for microphone in microphones]


def split(
    number: int, originals: Sequence[Clip], copies: Sequence[Recording], seed: int
) -> tuple[list[Recording], list[Recording]]:
    """Return (training, validation) of one of the thesis's three ways of mixing augmented clips in, each shuffled.

    1: 70 % of the originals for training, whose images SpecAugment is to mask; 2: originals and copies through
    microphones, 70 % of each for training; 3: all originals and 30 % of the copies for training, the other copies for
    validation.

    As in the thesis, rows of one location are on both sides: its validation figures are too good, and models should be
    compared by their test lists only.

    Raises:
        DatasetError: there is no such split.
    """
    rng = random.Random(f"{seed}/split{number}")
    whole = [Recording(clip) for clip in originals]
    if number == 1:
        training, validation = _cut(whole, TRAINING_SHARE, rng)
    elif number == 2:
        parts = [_cut(part, TRAINING_SHARE, rng) for part in (whole, copies)]
        training, validation = (parts[0][side] + parts[1][side] for side in (0, 1))
    elif number == 3:
        learnt, validation = _cut(copies, COPIES_LEARNT, rng)
        training = whole + learnt
    else:
        raise DatasetError(f"there is no split {number}; splits are 1, 2 and 3")
    rng.shuffle(training)
    rng.shuffle(validation)
    return training, validation


def _cut(recordings: Sequence[Recording], share: float, rng: random.Random) -> tuple[list[Recording], list[Recording]]:
    shuffled = rng.sample(recordings, len(recordings))
    count = round(share * len(shuffled))
    return shuffled[:count], shuffled[count:]
