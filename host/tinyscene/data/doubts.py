"""What makes scores say less than they seem to: said as warnings, since such data may be wanted."""

from collections.abc import Iterable, Sequence

from tinyscene.console import error_console
from tinyscene.data.clip_list import Clip


def of_training(clips: Iterable[Clip], classes: Sequence[str]) -> list[str]:
    """Return what is doubtful about the clips to train with."""
    seen = {clip.scene for clip in clips}
    if missing := [name for name in classes if name not in seen]:
        return [f"no training clip is of {', '.join(missing)}: the network will not find what it has never heard"]
    return []


def of_test(clips: Iterable[Clip]) -> list[str]:
    """Return what is doubtful about the clips to test with."""
    seen = {clip.scene for clip in clips}
    if len(seen) == 1:
        return [f"all test clips are of {seen.pop()}: their scores do not tell whether classes are told apart"]
    return []


def say(place: str, found: Iterable[str]) -> None:
    """Print warnings about a fold or list."""
    for text in found:
        error_console.print(f"warning: {place}: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)
