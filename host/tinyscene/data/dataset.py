"""Data sets in the official TAU layout, read lazily: this module finds the lists, clips and folds of a folder.

A data set is a folder with `meta.csv`, `evaluation_setup/foldN_{train,test,evaluate}.csv` and `audio/`; a folder with
nothing but lists, gzip or not, is a data set without audio. The rows are read by `clip_list`, the audio by
`clip_audio`; other modules import what they need of both from here.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

from tinyscene import places
from tinyscene.data import audio_folder
from tinyscene.data.clip_audio import NATIVE_RATE, pcm16, probe_clip, read_clip
from tinyscene.data.clip_list import SCENES, Clip, Place, parse_name, read_list, scan_list
from tinyscene.data.defects import DefectError, Kind
from tinyscene.errors import DatasetError

__all__ = [
    "NATIVE_RATE",
    "PARTS",
    "SCENES",
    "Clip",
    "Dataset",
    "DatasetError",
    "location_disjoint_split",
    "location_disjoint_subsets",
    "pcm16",
    "probe_clip",
    "read_clip",
    "read_list",
    "scan_list",
]

Part = Literal["train", "test", "evaluate"]
PARTS: tuple[Part, ...] = ("train", "test", "evaluate")

_FOLD_LIST = re.compile(r"fold(0|[1-9][0-9]*)_(train|test|evaluate)\.csv(?:\.gz)?")
_LIKE_A_LIST = re.compile(r"(?i)fold.*\.(csv|tsv|txt)(\.gz)?")


class Dataset:
    """A folder in the TAU layout; everything is read at its first use.

    Attributes:
        root: the folder.
        lists: the folder of the fold lists: root/evaluation_setup, or root where that is absent.
        meta: path of meta.csv or meta.csv.gz, or None.
    """

    def __init__(self, root: Path) -> None:
        """Open a folder.

        Raises:
            DatasetError: it is not a folder.
        """
        self.root = Path(root)
        places.require_data(self.root)
        setup = self.root / "evaluation_setup"
        self.lists = setup if setup.is_dir() else self.root
        self.meta = _first_file(self.root / "meta.csv", self.root / "meta.csv.gz")

    def __reduce__(self) -> tuple[type["Dataset"], tuple[Path]]:
        """Send another process only the folder: what was read from it is large."""
        return Dataset, (self.root,)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Identifier and device by file name, from meta.csv; empty without it.

        Raises:
            DefectError: a row of meta.csv is bad.
        """
        if self.meta is None:
            return {}
        shared: dict[Place, Place] = {}
        return {
            clip.filename: shared.setdefault((place := (clip.identifier, clip.device)), place)
            for clip in read_list(self.meta)
        }

    @cached_property
    def fold_lists(self) -> dict[tuple[int, Part], Path]:
        """Path of every fold list, by fold and part, in their order."""
        found: dict[tuple[int, Part], Path] = {}
        for path in sorted(self.lists.glob("fold*")):
            if match := _FOLD_LIST.fullmatch(path.name):
                found.setdefault((int(match[1]), cast(Part, match[2])), path)
        return dict(sorted(found.items(), key=lambda item: (item[0][0], PARTS.index(item[0][1]))))

    @cached_property
    def ignored_lists(self) -> list[DefectError]:
        """Files that look like fold lists and are not taken for one, with the reason."""
        taken = set(self.fold_lists.values())
        found = []
        for path in sorted(self.lists.iterdir()):
            if _LIKE_A_LIST.fullmatch(path.name) and path not in taken:
                twice = _FOLD_LIST.fullmatch(path.name)
                why = "is not read, as the same list is there unpacked" if twice else "is not read, for its name"
                remedy = (
                    "remove one of them" if twice else "name it fold1_train.csv, fold1_test.csv or fold1_evaluate.csv"
                )
                found.append(DefectError(Kind.MALFORMED_LIST, path, None, f"{why}; {remedy}", "or move it elsewhere"))
        return found

    def folds(self) -> list[int]:
        """Return the numbers of the folds, ascending.

        Raises:
            DefectError: there is a file that looks like a fold list and is none: the folds may be incomplete.
        """
        if self.ignored_lists:
            raise self.ignored_lists[0]
        return sorted({fold for fold, _ in self.fold_lists})

    def split(self, fold: int, part: Part) -> Iterator[Clip]:
        """Return the clips of one part of a fold, in the order of its list.

        The parts "train" and "evaluate" have labels; "test" is the list of "evaluate" as the challenge hands it out.

        Raises:
            DatasetError: there is no such list; while iterating: a row is bad, naming path:line.
        """
        path = self.fold_lists.get((fold, part))
        if path is None:
            raise DatasetError(f"{self.lists} has no fold{fold}_{part}.csv; {self._what_there_is()}")
        return read_list(path, labelled=part != "test", places=self.places)

    def list(self, name: str | Path, *, labelled: bool = True) -> Iterator[Clip]:
        """Return the clips of any list: a path, or a name in evaluation_setup with or without ".csv".

        Raises:
            DatasetError: there is no such list; while iterating: a row is bad, naming path:line.
        """
        inside = self.lists / name
        path = _first_file(inside, Path(f"{inside}.csv"), Path(f"{inside}.gz"), Path(f"{inside}.csv.gz"), Path(name))
        if path is None:
            raise DatasetError(f"there is no list {str(name)!r} in {self.lists}, nor a file; {self._what_there_is()}")
        return read_list(path, labelled=labelled, places=self.places)

    def clips(self) -> Iterator[Clip]:
        """Return all clips once: those of meta.csv, else of all lists, else of the audio folder (label by name).

        Raises:
            DatasetError: there is none of these; while iterating: a row or a file name is bad.
        """
        if self.meta is not None:
            return read_list(self.meta, labelled=True)
        if self.fold_lists:
            return self._clips_of_lists()
        return self._clips_of_folder()

    def path(self, clip: Clip) -> Path:
        """Return where a clip's audio is.

        Raises:
            DatasetError: the data set has no audio folder.
        """
        if not self.has_audio:
            raise DatasetError(f"{self.root / 'audio'} is missing: these are lists only; put the clips there")
        return self.root / clip.filename

    @cached_property
    def has_audio(self) -> bool:
        """Whether there is an audio folder."""
        return (self.root / "audio").is_dir()

    def _what_there_is(self) -> str:
        names = [path.name for path in self.fold_lists.values()]
        return f"there are {', '.join(names)}" if names else "there are no fold lists; add evaluation_setup"

    def _clips_of_lists(self) -> Iterator[Clip]:
        seen = set()
        labels_first = sorted(self.fold_lists, key=lambda key: key[1] == "test")
        for fold, part in labels_first:
            for clip in self.split(fold, part):
                if clip.filename not in seen:
                    seen.add(clip.filename)
                    yield clip

    def scan_audio(self) -> Iterator[Clip | DefectError]:
        """Yield a Clip for every audio file in the audio folder, read from its name, and a DefectError for a bad name.

        Raises:
            DatasetError: there is no audio folder.
        """
        if not self.has_audio:
            raise DatasetError(f"{self.root} has no meta.csv, no lists and no audio; name a data set in the TAU layout")
        for path in filter(audio_folder.is_audio, audio_folder.walk(self.root / "audio")):
            named = parse_name(path.name)
            if named is None or named[0] not in SCENES:
                problem = "does not name its scene, location and device"
                remedy = "name it scene-city-location-...-device.wav, or add a meta.csv"
                yield DefectError(Kind.UNKNOWN_LABEL, path, None, problem, remedy)
            else:
                scene, identifier, device = named
                filename = path.relative_to(self.root).as_posix()
                yield Clip(filename, scene, identifier, identifier.rpartition("-")[0], device, 0)

    def _clips_of_folder(self) -> Iterator[Clip]:
        empty = True
        for clip in self.scan_audio():
            if isinstance(clip, DefectError):
                raise clip
            empty = False
            yield clip
        if empty:
            raise DatasetError(
                f"{self.root / 'audio'} has no audio files; put clips such as park-oslo-1-1-1-a.wav there"
            )


def _first_file(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def location_disjoint_split(clips: Iterable[Clip], fraction: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """Split labelled clips into training and validation parts that share no location.

    Within every scene, whole locations go to validation until it holds about `fraction` of the scene's clips: at
    least one and never all of them, so that every scene with two or more locations is in both parts. A scene with a
    single location stays in training.

    Args:
        clips: any order; the parts keep it.
        fraction: share of the clips that validation gets, between 0 and 1.
        seed: chooses the locations; the same clips in another order give the same locations.

    Returns:
        (training, validation).

    Raises:
        DatasetError: a clip has no label, or `fraction` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise DatasetError(f"the validation fraction is {fraction}; it must lie between 0 and 1, such as 0.2")
    clips = list(clips)
    chosen: set[tuple[str | None, str]] = set()
    for scene, locations in _location_sizes(clips, seed):
        order = list(locations)
        target = fraction * sum(locations.values())
        held = 0
        for identifier in order[:-1]:
            size = locations[identifier]
            if held == 0 or abs(held + size - target) < abs(held - target):
                chosen.add((scene, identifier))
                held += size
    return (
        [clip for clip in clips if clip.location not in chosen],
        [clip for clip in clips if clip.location in chosen],
    )


def location_disjoint_subsets(clips: Sequence[Clip], count: int, seed: int) -> list[int]:
    """Deal labelled clips out to subsets of about one size that share no location, each scene's clips evenly.

    Args:
        clips: any order.
        count: number of subsets.
        seed: chooses the locations; the same clips in another order give the same locations.

    Returns:
        The subset, 0 to count - 1, of every clip. No subset is empty; a scene of fewer than `count` locations is not in
        every subset.

    Raises:
        DatasetError: a clip has no label, or there are fewer than `count` locations.
    """
    subset_of: dict[tuple[str | None, str], int] = {}
    totals = [0] * count
    for scene, locations in _location_sizes(clips, seed):
        held = [0] * count
        for identifier in sorted(locations, key=lambda name: -locations[name]):  # stable: ties stay shuffled
            subset = min(range(count), key=lambda k: (held[k], totals[k]))
            subset_of[scene, identifier] = subset
            held[subset] += locations[identifier]
            totals[subset] += locations[identifier]
    if len(subset_of) < count:
        raise DatasetError(
            f"{len(subset_of)} locations cannot be dealt out to {count} subsets; ask for fewer, or add locations"
        )
    return [subset_of[clip.location] for clip in clips]


def _location_sizes(clips: Iterable[Clip], seed: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield every scene, in alphabetical order, with the number of clips of its locations, shuffled.

    Raises:
        DatasetError: a clip has no label.
    """
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for clip in clips:
        if clip.scene is None:
            raise DatasetError(f"{clip.filename} (line {clip.line} of its list) has no label; use a labelled list")
        sizes[clip.scene][clip.identifier] += 1
    for scene, locations in sorted(sizes.items()):
        order = sorted(locations)
        random.Random(f"{seed}/{scene}").shuffle(order)
        yield scene, {identifier: locations[identifier] for identifier in order}
