"""A board's predictions as files: a DCASE submission, and the differences from the host's INT8 run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bundle import Bundle
from tinyscene.data import Clip


def write_submission(path: Path, bundle: Bundle, clips: Sequence[Clip], outputs: NDArray[np.int8]) -> None:
    """Write the system output of DCASE 2022's task 1: tab separated, with a header.

    Each clip has a line: its file name as in the list, the most probable scene, and the probabilities of all scenes, in
    alphabetical order.

    Args:
        path: file to write.
        bundle: bundle that turns outputs into probabilities.
        clips: N clips, with or without labels.
        outputs: INT8 [N, classes].

    Raises:
        TinysceneError: the file cannot be written.
    """
    order = sorted(range(len(bundle.classes)), key=lambda k: bundle.classes[k])
    lines = [("filename", "scene_label", *(bundle.classes[k] for k in order))]
    for clip, row in zip(clips, bundle.probabilities(outputs), strict=True):
        likeliest = bundle.classes[int(row.argmax())]
        lines.append((clip.filename, likeliest, *(f"{row[k]:.9g}" for k in order)))
    _write_table(path, lines)


def compare(board: NDArray[np.int8], host: NDArray[np.int8]) -> dict[str, int]:
    """Count where two runs over the same clips differ.

    Args:
        board, host: INT8 outputs [N, classes].

    Returns:
        `clips`; `identical`: clips whose outputs are the same bytes; `same_class`: clips with the same prediction;
        `max_abs_diff`: the largest difference of an output.
    """
    difference = np.abs(board.astype(int) - host.astype(int))
    return {
        "clips": len(board),
        "identical": int((difference == 0).all(axis=1).sum()),
        "same_class": int((board.argmax(axis=1) == host.argmax(axis=1)).sum()),
        "max_abs_diff": int(difference.max(initial=0)),
    }


def write_differences(
    path: Path,
    bundle: Bundle,
    clips: Sequence[Clip],
    ports: Mapping[str, str],
    board: NDArray[np.int8],
    host: NDArray[np.int8],
) -> None:
    """Write every clip whose outputs differ, with both outputs and predicted scenes; only the header if none differs.

    Args:
        path: file to write, tab separated.
        bundle: bundle with the names of the classes.
        clips: N clips.
        ports: port of the board that classified a clip, by file name.
        board, host: INT8 outputs [N, classes].

    Raises:
        TinysceneError: the file cannot be written.
    """
    lines: list[tuple[str, ...]] = [("filename", "port", "board_scene", "host_scene", "board_outputs", "host_outputs")]
    for clip, ours, theirs in zip(clips, board, host, strict=True):
        if (ours != theirs).any():
            scenes = (bundle.classes[int(row.argmax())] for row in (ours, theirs))
            numbers = (" ".join(map(str, row)) for row in (ours, theirs))
            lines.append((clip.filename, ports[clip.filename], *scenes, *numbers))
    _write_table(path, lines)


def _write_table(path: Path, lines: Sequence[Sequence[str]]) -> None:
    files.write_text(path, "".join("\t".join(line) + "\n" for line in lines))
