"""A bundle derived from another one for sound at another sampling rate, with a card that says what it is."""

import re
from pathlib import Path

from tinyscene.bundle.bundle import CARD_FILE, Bundle
from tinyscene.console import console
from tinyscene.errors import ConfigError


def report(folder: Path, rate: int, out: Path) -> None:
    """Derive the bundle in `folder` for a rate (Hz), write it to `out`, and print what it is.

    Raises:
        BundleError: `folder` has no valid bundle.
        ConfigError: the rate is impossible, or `out` is `folder`.
        TinysceneError: the files cannot be written.
    """
    original = Bundle.load(folder)
    if Path(out).resolve() == Path(folder).resolve():
        raise ConfigError(f"{out} is the bundle that is read; choose another folder for the one at {rate} Hz")
    bundle = original.at_rate(rate)
    bundle.save(out, card(bundle, original, _card_of(folder)))
    front = bundle.frontend
    console.print(
        f"{out}: bundle {bundle.name} ({bundle.identity}), {front.n_mels} x {front.frames} features at {rate} Hz, "
        f"held bands: {front.held_mels}",
        soft_wrap=True,
    )


def card(bundle: Bundle, original: Bundle, original_card: str) -> str:
    """Return the model card, Markdown, of a bundle that `Bundle.at_rate` made, with the original's card at its end."""
    front, old = bundle.frontend, original.frontend
    parts = [
        f"# {bundle.name}",
        f"{original.name} (`{original.identity}`) for sound sampled at {front.sample_rate:,} Hz, where {original.name} "
        f"takes {old.sample_rate:,} Hz: the same network, fed by a front end of the same window, hop and mel bands.\n"
        f"Identity: `{bundle.identity}`, which the firmware reports.",
        "## Scores",
        "Not scored at this rate, and not trained for it. What follows under the original's card was measured at "
        f"{old.sample_rate:,} Hz. `tinyscene evaluate` scores this bundle on a list of clips, and docs/FRONTEND.md, "
        "Other sampling rates, has the loss of the shipped student.",
        "## Mel bands",
        f"Of {front.n_mels} mel bands, {front.held_mels} lie above what {front.sample_rate:,} Hz can carry; they have "
        f"the standardised value of band {front.covered_mels}, the highest below."
        if front.held_mels
        else f"All {front.n_mels} mel bands lie below half the rate.",
        "## How to make it again",
        f"```\ntinyscene at-rate {original.name} {front.sample_rate} --out {bundle.name}\n```",
    ]
    if original_card:
        parts += ["## The original's card", re.sub(r"^(#+ )", r"##\1", original_card.strip(), flags=re.MULTILINE)]
    return "\n\n".join(parts) + "\n"


def _card_of(folder: Path) -> str:
    try:
        return (Path(folder) / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:  # a bundle need not have one
        return ""
