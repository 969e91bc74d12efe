"""Run a search: costs of all candidates, rounds of training with fewer and fewer of them, and the fronts."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib

from tinyscene import files
from tinyscene.console import console
from tinyscene.data import Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import INT8, comparison
from tinyscene.experiments import network_cost, pareto, search, search_report
from tinyscene.experiments.network_cost import Cost
from tinyscene.experiments.search import Candidate, Search
from tinyscene.training import (
    CALIBRATED,
    CROSS_VALIDATE,
    Run,
    RunConfig,
    fold_predictions,
    parts as training_parts,
    provenance,
    run as training_run,
    run_folder,
    scores as training_scores,
)

COST, MODEL = "cost.json", "untrained.tflite"


def report(path: Path, data: Path, out: Path, as_json: Path | None, figure: Path | None) -> None:
    """Search, and print and write the result; finished steps are not done again.

    Args:
        path: the search's TOML file.
        data: data set in the TAU layout.
        out: folder of the runs.
        as_json: file to write the result to.
        figure: SVG file for the fronts.

    Raises:
        ConfigError: the search is wrong, or `out` belongs to another one.
        TinysceneError: as for `training.run.run`; or QEMU or the cross compiler is missing.
    """
    result = run(search.load(path), Dataset(data), out, path)
    if as_json is not None:
        files.write_json(as_json, result)
    if figure is not None:
        search_report.draw(result, figure)
    search_report.show(result)


def run(wanted: Search, dataset: Dataset, out: Path, path: Path) -> dict[str, Any]:
    """Search; see `report`.

    Returns:
        title, reference (its name), rounds (how many), epochs (of the last one), data_set, clips, and `networks`, a
        list: name, title, cost, refused (why it was not tried, or ""), rounds (epochs, log_loss, accuracy, intervals,
        each), and of those in the last round compared (paired with the reference, None for itself) and front (of
        which scores they are on it).
    """
    everyone = (wanted.reference, *wanted.candidates)
    costs = _costs(everyone, dataset, out)
    networks: dict[str, dict[str, Any]] = {
        each.name: {
            "name": each.name,
            "title": each.title,
            "cost": dataclasses.asdict(costs[each.name]),
            "refused": "" if each is wanted.reference else wanted.limits.excess(costs[each.name]),
            "rounds": [],
            "compared": None,
            "front": [],
        }
        for each in everyone
    }
    left = [each for each in everyone if not networks[each.name]["refused"]]
    for number, each_round in enumerate(wanted.rounds, 1):
        for position, candidate in enumerate(left, 1):
            console.print(
                f"round {number} of {len(wanted.rounds)}: {candidate.title} ({position} of {len(left)})",
            )
            scores = _train(
                candidate.trained_for(each_round.epochs), dataset, _run_of(out, candidate, each_round), path
            )
            networks[candidate.name]["rounds"].append({"epochs": each_round.epochs, **scores})
        if each_round.keep is not None:
            rivals = [networks[each.name] for each in left if each is not wanted.reference]
            kept = {wanted.reference.name, *best(rivals, each_round.keep)}
            left = [each for each in left if each.name in kept]
    _finish(wanted, left, networks, dataset, out)
    return {
        "title": wanted.title,
        "reference": wanted.reference.name,
        "rounds": len(wanted.rounds),
        "epochs": wanted.rounds[-1].epochs,
        "data_set": dataset.root.resolve().name,
        "clips": sum(1 for _ in dataset.clips()),
        "networks": list(networks.values()),
    }


def _costs(candidates: Sequence[Candidate], dataset: Dataset, out: Path) -> dict[str, Cost]:
    """Return the cost of every candidate by the compiler's estimate; each is converted once, untrained."""
    console.print(f"costs of {len(candidates)} networks")
    fingerprint = provenance.fingerprint(dataset)
    for each in candidates:
        run_folder.claim(out / each.name, each.settings, fingerprint)
    missing = [each for each in candidates if not (out / each.name / COST).exists()]
    joblib.Parallel(n_jobs=min(os.cpu_count() or 1, max(len(missing), 1)))(
        joblib.delayed(_estimate)(each.settings, out / each.name) for each in missing
    )
    return {each.name: _cost(out / each.name / COST) for each in candidates}


def _estimate(settings: RunConfig, folder: Path) -> None:
    model = network_cost.untrained(settings.student, settings.frontend.shape)
    files.write_bytes(folder / MODEL, model)
    files.write_json(folder / COST, dataclasses.asdict(network_cost.estimate(model)))


def _cost(path: Path) -> Cost:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return Cost(**{**table, "excess": tuple(table["excess"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it to count again") from error


def _run_of(out: Path, candidate: Candidate, each_round: search.Round) -> Path:
    return out / candidate.name / f"epochs{each_round.epochs}"


def _train(settings: RunConfig, dataset: Dataset, folder: Path, path: Path) -> dict[str, Any]:
    """Train and test one network on its folds; return its INT8 scores, calibrated if there are several folds."""
    origin = provenance.describe(dataset, path, folder, settings, None)
    run_folder.claim(folder, settings, origin["data_fingerprint"])
    this = Run(folder, settings, dataset, origin)
    parts = training_parts.of_run(this)
    if settings.data.folds == CROSS_VALIDATE:
        parts = parts[:-1]  # the last one makes final weights
    training_run.train_parts(parts)
    pooled = training_scores.pool(this, parts)
    scores = pooled.get(CALIBRATED, pooled)[INT8]
    return {key: scores[key] for key in ("log_loss", "accuracy", "intervals")}


def best(networks: Sequence[dict[str, Any]], count: int) -> set[str]:
    """Return the names of those to keep: front by front, and within a front by log loss."""
    order = pareto.fronts([_losses(each, "log_loss") for each in networks])
    ranked = [
        networks[i] for front in order for i in sorted(front, key=lambda i: networks[i]["rounds"][-1]["log_loss"])
    ]
    return {each["name"] for each in ranked[:count]}


def _losses(network: dict[str, Any], score: str) -> tuple[float, float, float]:
    """Return the objectives to minimise: log loss or the negative accuracy, instructions, RAM."""
    value = network["rounds"][-1][score]
    return (value if score == "log_loss" else -value, network["cost"]["instructions"], network["cost"]["ram_bytes"])


def _finish(
    wanted: Search, left: Sequence[Candidate], networks: dict[str, dict[str, Any]], dataset: Dataset, out: Path
) -> None:
    """Count the instructions of the last round's networks, compare them with the reference, and find the fronts."""
    console.print(f"instructions of {len(left)} networks, on the emulated board")
    last = [networks[each.name] for each in left]
    measured = network_cost.measure([(out / each.name / MODEL).read_bytes() for each in left])
    a = fold_predictions.of_run(_run_of(out, wanted.reference, wanted.rounds[-1]), dataset)
    for each, network, cost in zip(left, last, measured, strict=True):
        network["cost"] = dataclasses.asdict(cost)
        if each is not wanted.reference:
            b = fold_predictions.of_run(_run_of(out, each, wanted.rounds[-1]), dataset)
            network["compared"] = comparison.compare(a.clips, a.predictions[INT8], b.predictions[INT8]).to_json()
    for score in comparison.SCORES:
        for i in pareto.fronts([_losses(each, score) for each in last])[0]:
            last[i]["front"].append(score)
