"""`tinyscene data check`: prints what `data.survey` finds as tables, overlaps and defects."""

from collections import Counter
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.measure import Measurement
from rich.table import Table

from tinyscene import files
from tinyscene.console import console
from tinyscene.data.clip_list import SCENES
from tinyscene.data.dataset import PARTS
from tinyscene.data.survey import DIMENSIONS, Survey, survey_dataset


def report(folder: Path, as_json: Path | None = None) -> int:
    """Check a data set, print what was found, and write it as JSON if `as_json` names a file.

    Returns:
        Exit code: 0 without defects, else 1. An overlap of locations is not a defect.

    Raises:
        DatasetError: `folder` is not a folder, or holds neither lists nor audio.
        TinysceneError: the JSON cannot be written.
    """
    survey = survey_dataset(folder)
    _print_counts(survey)
    _print_overlaps(survey)
    _print_defects(folder, survey)
    if as_json is not None:
        files.write_json(as_json, {"folder": str(folder), **survey.to_dict()})
    return 1 if survey.findings else 0


def _print_counts(survey: Survey) -> None:
    if survey.folds:
        _say("clips in all, and in training/test of every fold\n")
    for dimension in DIMENSIONS:
        _print_table(_dimension_table(survey, dimension))
    if survey.folds:
        _print_table(_fold_table(survey))


def _dimension_table(survey: Survey, dimension: str) -> Table:
    """One row for each scene, device or city: all its clips, and those in training/test of every fold."""
    table = _table(dimension, "clips", *(f"fold {fold}" for fold in survey.folds))
    whole = survey.clips.by[dimension]
    parts = [survey.train_and_test(fold) for fold in survey.folds]
    for name in sorted({*whole, *(SCENES if dimension == "scene" else ())}):
        counts = (["-" if part is None else str(part.counts.by[dimension][name]) for part in pair] for pair in parts)
        table.add_row(name, str(whole[name]), *map("/".join, counts))
    totals = (["-" if part is None else str(part.counts.clips) for part in pair] for pair in parts)
    table.add_row("all", str(survey.clips.clips), *map("/".join, totals), style="bold")
    return table


def _fold_table(survey: Survey) -> Table:
    table = _table("fold", "train", "test", "evaluate", "train locations", "test locations", "shared")
    for fold, parts in survey.folds.items():
        clips = [str(parts[part].counts.clips) if part in parts else "-" for part in PARTS]
        locations = ["-" if part is None else str(len(part.counts.locations)) for part in survey.train_and_test(fold)]
        shared = str(len(survey.overlaps[fold])) if fold in survey.overlaps else "-"
        table.add_row(str(fold), *clips, *locations, shared)
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _print_table(table: Table) -> None:
    """Print at full width, so that nothing is cut off when the output is not a terminal."""
    wide = console.options.update(width=1000)
    width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table, width=width, crop=False, no_wrap=True)
    console.print()


def _print_overlaps(survey: Survey) -> None:
    for fold, shared in survey.overlaps.items():
        for scene, identifier in shared:
            _say(f"overlap: fold {fold} has {scene} {identifier} in training and in test", "yellow")
    if survey.overlaps and not any(survey.overlaps.values()):
        _say("no location is shared by training and test")
    if survey.unlisted:
        _say(f"note: {survey.unlisted} files in audio are in no list", "yellow")
    if survey.others:
        _say(f"note: {survey.others} files in audio are not taken: their names end as those of no audio file", "yellow")


def _print_defects(folder: Path, survey: Survey) -> None:
    for finding in survey.findings:
        place = Path(folder) / finding.file
        _say(f"{place}{f':{finding.line}' if finding.line else ''}: {finding.kind}: {finding.problem}", "red")
    kinds = Counter(finding.kind for finding in survey.findings)
    if kinds:
        summary = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        _say(
            f"{kinds.total()} defects: {summary}" if kinds.total() > 1 else f"1 defect: {next(iter(kinds))}", "bold red"
        )
    else:
        _say("no defects", "bold green")


def _say(text: str, style: str = "") -> None:
    console.print(text, style=style, soft_wrap=True)
