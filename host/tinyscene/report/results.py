"""The shipped models' accuracy, and the search's, in docs/RESULTS.md: `tinyscene results`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyscene.bundle import Bundle, out_of_fold
from tinyscene.evaluation import INT8_MINUS_FLOAT, SCORES, comparison, difference_with_interval, score_with_interval
from tinyscene.experiments import search_report
from tinyscene.paths import REPOSITORY
from tinyscene.report import page_section
from tinyscene.training import ablation

PAGE = REPOSITORY / "docs" / "RESULTS.md"
BEGIN = "<!-- written by make results -->"
SEARCH_BEGIN = "<!-- written by make results, from docs/search.json -->"
SEARCH = PAGE.with_name("search.json")
MODELS = ("student", "baseline", "compact")
PAIRS = (("student", "baseline"), ("compact", "student"))  # models that are compared


def body(models: Path = REPOSITORY / "models") -> str:
    """Return the section's Markdown: a table of scores, the effect of INT8, the paired differences of models, and the
    tables of ablations in their folders.

    Raises:
        BundleError: a bundle, its list of out-of-fold predictions, or its table is missing or damaged.
    """
    differences = (line for pair in PAIRS for line in (*_difference(models, *pair), ""))
    return "\n".join([*_scores(models), "", *_rounding(models), *differences, *_ablations(models)]).rstrip()


def _scores(models: Path) -> Iterator[str]:
    yield "| model | probabilities | float accuracy | INT8 accuracy | float log loss | INT8 log loss | ECE, INT8 |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name in MODELS:
        metrics: dict[str, Any] = Bundle.load(models / name).metrics
        for stage, scores in (("as trained", metrics), ("calibrated", metrics["calibrated"])):
            cells = [
                *(score_with_interval(key, scores[kind]) for key in SCORES for kind in ("float", "int8")),
                f"{scores['int8']['reliability']['ece']:.3f}",
            ]
            yield f"| {name} | {stage} | {' | '.join(cells)} |"


def _rounding(models: Path) -> Iterator[str]:
    """Yield the effect of INT8 on each model; nothing for bundles without these scores."""
    paired = {name: Bundle.load(models / name).metrics["calibrated"].get(INT8_MINUS_FLOAT) for name in MODELS}
    if not any(paired.values()):
        return
    yield "Paired, clip by clip (calibrated), INT8 - float:"
    for name, found in paired.items():
        if found:
            said = (
                f"{title} {difference_with_interval(key, found[key], found['intervals'][key])}"
                for key, title in SCORES.items()
            )
            yield f"- {name}: {', '.join(said)}"
    yield ""


def _difference(models: Path, name: str, other: str) -> Iterator[str]:
    clips, answers = out_of_fold.read(models / name)
    others, reference = out_of_fold.read(models / other)
    place = {clip.filename: row for row, clip in enumerate(others)}
    found = comparison.compare(clips, reference[[place[clip.filename] for clip in clips]], answers)
    yield f"Paired, clip by clip, over {found.locations} locations (INT8, calibrated), {name} - {other}:"
    for score, title in SCORES.items():
        said = difference_with_interval(score, found.difference[score], found.intervals[score])
        yield f"- {title} {said}: " + (
            "the interval excludes zero" if found.differs(score) else "they cannot be told apart"
        )


def _ablations(models: Path) -> Iterator[str]:
    for name in MODELS:
        if results := ablation.read(models / name, Bundle.load(models / name)):
            yield from ablation.lines(results)
            yield ""


def write() -> None:
    """Write the section and the figure of the search.

    Raises:
        BundleError: as for `body`.
        TinysceneError: the page, or the result of the search, is missing or damaged.
    """
    page_section.replace(PAGE, BEGIN, body())
    result = search_report.read(SEARCH)
    page_section.replace(PAGE, SEARCH_BEGIN, "\n".join(search_report.lines(result)))
    search_report.draw(result, PAGE.with_name("search.svg"))
