"""Where a bundle comes from: data set, seed, commit, command and versions, without any machine's paths."""

import dataclasses
import hashlib
import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

from tinyscene import __version__
from tinyscene.augment import AugmentConfig
from tinyscene.data import Dataset, synth
from tinyscene.frontend import engines as feature_engines
from tinyscene.networks import keras
from tinyscene.paths import IS_INSTALLED, PROJECT, REPOSITORY
from tinyscene.training.config import RunConfig

# `data_licence` of computed sounds, which may be passed on
PUBLIC_DOMAIN = "CC0, public domain: for any use, without conditions"


def describe(dataset: Dataset, config: Path, out: Path, settings: RunConfig, fold: int | None) -> dict[str, Any]:
    """Return what made a bundle, for its `provenance`.

    Args:
        dataset: data set that it is trained on; named by its folder and by a fingerprint of its clips.
        config, out, fold: arguments of the command.
        settings: settings of the run; kept as `configuration`, which `config.parse` reads.
    """
    name = dataset.root.resolve().name
    command = f"tinyscene train {_plain(config)} --data {name} --out {_plain(out)}"
    return {
        "data_set": name,
        "data_clips": sum(1 for _ in dataset.clips()),
        "data_licence": _licence(dataset.root / "LICENSE.txt"),
        "data_fingerprint": fingerprint(dataset),
        "features": feature_engines.DEFAULT,
        "seed": settings.seed,
        "command": command if fold is None else f"{command} --fold {fold}",
        "commit": commit(),
        "tinyscene": __version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "tensorflow": importlib.metadata.version("tensorflow"),
        "configuration": _without_paths(settings).to_dict(),
    }


def _without_paths(settings: RunConfig) -> RunConfig:
    """Return the settings with the folders of impulse responses given like the paths of the command."""

    def plain(augment: AugmentConfig) -> AugmentConfig:
        folder = augment.impulse_responses
        return augment if folder is None else dataclasses.replace(augment, impulse_responses=_plain(Path(folder)))

    return dataclasses.replace(
        settings,
        augment=plain(settings.augment),
        teachers=tuple(
            teacher if teacher.augment is None else dataclasses.replace(teacher, augment=plain(teacher.augment))
            for teacher in settings.teachers
        ),
    )


def fingerprint(dataset: Dataset) -> str:
    """Return 16 hex digits over the names, scenes, locations and devices of a data set's clips, in any order."""
    digest = hashlib.sha256()
    for row in sorted(f"{clip.filename}\t{clip.scene}\t{clip.identifier}\t{clip.device}\n" for clip in dataset.clips()):
        digest.update(row.encode())
    return digest.hexdigest()[:16]


def _licence(path: Path) -> str:
    """Return a phrase for what the data set's licence file allows."""
    if not path.is_file():
        return "none stated"
    text = path.read_text(encoding="utf-8", errors="replace")
    if text == synth.LICENCE:
        return PUBLIC_DOMAIN
    if "commercial use" in text.lower():
        return "research and other non-commercial use only; see the data set's LICENSE.txt"
    return "see the data set's LICENSE.txt"


def _plain(path: Path) -> str:
    """Return a path as it is in the repository, else its name."""
    resolved = Path(path).resolve()
    return str(resolved.relative_to(PROJECT)) if resolved.is_relative_to(PROJECT) else resolved.name


def commit() -> str:
    """Return the commit that this checkout is at, or "unknown" if git cannot tell, or there is no checkout."""
    if IS_INSTALLED:
        return "unknown"
    try:
        answer = subprocess.run(
            ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
