"""A survey of a data set: what it holds, which locations training and test share, and every defect with its line.

A location in both parts of a fold is an overlap, not a defect: the official lists have none, but a split by another
criterion is legitimate, although its scores come out too good. A clip in both parts is a defect.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib

from tinyscene.console import progress_bar
from tinyscene.data import audio_folder
from tinyscene.data.clip_audio import probe_clip
from tinyscene.data.clip_list import SCENES, Clip, Place, parse_name, scan_list
from tinyscene.data.dataset import PARTS, Dataset, Part
from tinyscene.data.defects import DefectError, Kind

DIMENSIONS = ("scene", "device", "city")


@dataclass(frozen=True)
class Finding:
    """One defect: its list (or file) inside the data set, its line there (0: none), its kind, and what is wrong."""

    file: str
    line: int
    kind: Kind
    problem: str


@dataclass
class Counts:
    """Numbers of clips by scene, device and city, and the locations."""

    clips: int = 0
    by: dict[str, Counter[str]] = field(default_factory=lambda: {dimension: Counter() for dimension in DIMENSIONS})
    locations: set[tuple[str | None, str]] = field(default_factory=set)

    def add(self, clip: Clip) -> None:
        """Count one clip; a clip without a label counts towards no scene."""
        self.clips += 1
        for dimension in DIMENSIONS:
            if value := getattr(clip, dimension):
                self.by[dimension][value] += 1
        self.locations.add(clip.location)


@dataclass
class PartSurvey:
    """One fold list: its name, its rows' lines by file name, and its counts."""

    name: str
    lines: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


@dataclass
class Survey:
    """Everything that a check finds.

    Attributes:
        rows: good rows of every list, by its name inside the data set.
        clips: counts over all clips, each once.
        folds: the fold lists, by fold and part.
        overlaps: (scene, identifier) that training and test share, by fold, sorted.
        unlisted: number of audio files that no list names.
        others: number of files in the audio folder that are no audio by their suffix.
        findings: all defects, by list and line.
    """

    rows: dict[str, int] = field(default_factory=dict)
    clips: Counts = field(default_factory=Counts)
    folds: dict[int, dict[Part, PartSurvey]] = field(default_factory=lambda: defaultdict(dict))
    overlaps: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    unlisted: int = 0
    others: int = 0
    findings: list[Finding] = field(default_factory=list)

    def train_and_test(self, fold: int) -> tuple[PartSurvey | None, PartSurvey | None]:
        """Return the training list of a fold, and its labelled test list, or else its unlabelled one."""
        parts = self.folds[fold]
        return parts.get("train"), parts.get("evaluate") or parts.get("test")

    def to_dict(self) -> dict[str, Any]:
        """Return the survey for JSON."""
        return {
            "clips": self.clips.clips,
            "lists": self.rows,
            **{f"per_{name}": dict(sorted(counter.items())) for name, counter in self.clips.by.items()},
            "folds": {
                fold: {part: survey.counts.clips for part, survey in parts.items()}
                for fold, parts in self.folds.items()
            },
            "overlaps": [
                {"fold": fold, "scene": scene, "identifier": identifier}
                for fold, shared in self.overlaps.items()
                for scene, identifier in shared
            ],
            "unlisted": self.unlisted,
            "others": self.others,
            "defects": [asdict(finding) for finding in self.findings],
        }


def survey_dataset(folder: Path) -> Survey:
    """Read all lists of a data set, and the header of every clip, in parallel.

    Raises:
        DatasetError: `folder` is not a folder, or holds neither lists nor audio.
    """
    return _Surveyor(Dataset(folder)).run()


class _Surveyor:
    """Fills a Survey; every clip is kept once, as the first list that names it has it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.survey = Survey()
        self.clips: dict[str, Clip] = {}
        self.sources: dict[str, tuple[str, int]] = {}  # where each file was first named: list and line
        self.alone = dataset.meta is None and not dataset.fold_lists  # audio without lists

    def run(self) -> Survey:
        if self.alone:
            self._read_folder()
        else:
            self._read_lists()
            self._compare_parts()
        for clip in self.clips.values():
            self.survey.clips.add(clip)
        self._probe_audio()
        self._nothing_goes_unseen()
        order = {name: index for index, name in enumerate(self.survey.rows)}
        self.survey.findings.sort(key=lambda finding: (order.get(finding.file, -1), finding.line))
        return self.survey

    def _find(self, file: str, line: int, kind: Kind, problem: str) -> None:
        self.survey.findings.append(Finding(file, line, kind, problem))

    def _nothing_goes_unseen(self) -> None:
        for defect in self.dataset.ignored_lists:
            self._find(defect.path.relative_to(self.dataset.root).as_posix(), 0, defect.kind, defect.problem)
        if not self.clips and not self.survey.findings:
            problem = "there are no clips: audio files, such as audio/park-london-96-2689-3-s1.wav, were looked for"
            self._find("audio", 0, Kind.EMPTY, problem)

    def _read_folder(self) -> None:
        for clip in self.dataset.scan_audio():
            if isinstance(clip, DefectError):
                self._find(clip.path.relative_to(self.dataset.root).as_posix(), 0, clip.kind, clip.problem)
            else:
                self.clips[clip.filename] = clip
                self.sources[clip.filename] = (clip.filename, 0)

    def _read_lists(self) -> None:
        places: dict[str, Place] = {}
        with progress_bar() as progress:
            lists = [*([self.dataset.meta] if self.dataset.meta else []), *self.dataset.fold_lists.values()]
            task = progress.add_task("reading lists", total=len(lists))
            if self.dataset.meta is not None:
                self._read_list(self.dataset.meta, True, {}, None)
                places = {clip.filename: (clip.identifier, clip.device) for clip in self.clips.values()}
                progress.advance(task)
            described = set(self.sources) if self.dataset.meta is not None else None
            for (fold, part), path in self.dataset.fold_lists.items():
                self.survey.folds[fold][part] = self._read_list(path, part != "test", places, described)
                progress.advance(task)

    def _read_list(
        self, path: Path, labelled: bool, places: Mapping[str, Place], described: set[str] | None
    ) -> PartSurvey:
        """Read one list; `described`: files that meta.csv names, None without meta.csv (and while reading it)."""
        part = PartSurvey(path.relative_to(self.dataset.root).as_posix())
        for row in scan_list(path, labelled=labelled, places=places):
            line = row.line or 1
            if isinstance(row, DefectError):
                self._find(part.name, line, row.kind, row.problem)
            if row.filename is None:
                continue
            first = part.lines.setdefault(row.filename, line)
            if first != line:
                self._find(part.name, line, Kind.DUPLICATE_ROW, f"{row.filename} is also in line {first}")
            self.sources.setdefault(row.filename, (part.name, line))
            if described is not None and row.filename not in described:
                self._find(part.name, line, Kind.CONTRADICTION, f"{row.filename} is not in meta.csv")
            if isinstance(row, Clip) and first == line:
                known = self.clips.setdefault(row.filename, row)
                self._contradictions(part.name, row, known)
                part.counts.add(_with_scene(row, known))
        self.survey.rows[part.name] = part.counts.clips
        return part

    def _contradictions(self, file: str, clip: Clip, known: Clip) -> None:
        """Compare a row with the first row about the same file; the first row itself, with the file's name."""
        stated = (clip.scene, clip.identifier, clip.device)
        other: tuple[str | None, str, str] | None = (known.scene, known.identifier, known.device)
        source = "{}:{}".format(*self.sources[clip.filename])
        if known is clip:
            other, source = parse_name(clip.filename), "its name"
        if other is None or other == stated:
            return
        for what, ours, theirs in zip(("label", "location", "device"), stated, other, strict=True):
            if ours is not None and theirs is not None and ours != theirs:
                problem = f"{what} {ours!r} of {clip.filename} contradicts {theirs!r} in {source}"
                self._find(file, clip.line, Kind.CONTRADICTION, problem)

    def _compare_parts(self) -> None:
        for fold, parts in self.survey.folds.items():
            train = parts.get("train")
            tested = [parts[part] for part in PARTS if part in parts and part != "train"]
            if train is None or not tested:
                continue
            leaked: set[str] = set()
            for test in reversed(tested):  # "evaluate" first
                for filename in test.lines.keys() & train.lines.keys() - leaked:
                    leaked.add(filename)
                    problem = f"{filename} is also in {train.name}:{train.lines[filename]}"
                    self._find(test.name, test.lines[filename], Kind.LEAK, problem)
            shared = train.counts.locations & set().union(*(test.counts.locations for test in tested))
            self.survey.overlaps[fold] = sorted((scene, identifier) for scene, identifier in shared if scene)

    def _probe_audio(self) -> None:
        root = self.dataset.root
        if not self.dataset.has_audio:
            problem = f"there is no audio folder: none of the {len(self.sources)} clips could be checked"
            self._find("audio", 0, Kind.MISSING_FILE, problem)
            return
        listed = set(self.sources)
        for path in audio_folder.walk(root / "audio"):
            if not audio_folder.is_audio(path):
                self.survey.others += 1
            elif not self.alone:
                self.survey.unlisted += path.relative_to(root).as_posix() not in listed
        probe = joblib.Parallel(n_jobs=-1, backend="threading", batch_size=64, return_as="generator_unordered")
        with progress_bar() as progress:
            task = progress.add_task("checking clips", total=len(self.sources))
            for filename, defect in probe(joblib.delayed(_probe)(root, filename) for filename in self.sources):
                if defect is not None:
                    file, line = self.sources[filename]
                    self._find(file, line, defect.kind, f"{filename} {defect.problem}")
                progress.advance(task)


def _with_scene(clip: Clip, known: Clip) -> Clip:
    """Give a clip of an unlabelled list the scene that another list gives it, or else its name."""
    if clip.scene or known.scene:
        return clip if clip.scene else known
    named = parse_name(clip.filename)
    return replace(clip, scene=named[0]) if named and named[0] in SCENES else clip


def _probe(root: Path, filename: str) -> tuple[str, DefectError | None]:
    try:
        probe_clip(root / filename)
    except DefectError as defect:
        return filename, defect
    return filename, None
