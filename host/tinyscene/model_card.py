"""The text of MODEL_CARD.md: what a bundle is, how well it does, where it comes from, how to make it again."""

from collections.abc import Iterator
from typing import Any

from tinyscene import complexity, feature_engines
from tinyscene.bundle import Bundle

SMALL = 10_000  # clips
KINDS = (("float", "float"), ("int8", "INT8"))


def write(bundle: Bundle) -> str:
    """Return the card, Markdown, from what the bundle says of itself.

    Args:
        bundle: its `metrics` are the trainer's (scores under "float" and "int8", a list of folds), or empty.
    """
    return (
        "\n".join([*_head(bundle), *_scores(bundle.metrics), *_data(bundle), *_cost(bundle), *_origin(bundle)]) + "\n"
    )


def _head(bundle: Bundle) -> Iterator[str]:
    front = bundle.frontend
    yield f"# {bundle.name}"
    yield ""
    yield (
        f"Acoustic scene classifier for microcontrollers: {front.clip_samples / front.sample_rate:g} s of mono audio "
        f"at {front.sample_rate / 1000:g} kHz, a {front.n_mels}x{front.frames} log-mel image, and an INT8 network for "
        f"{len(bundle.classes)} scenes: {', '.join(bundle.classes)}."
    )
    yield f"Identity: `{bundle.identity}`, which the firmware reports."


def _scores(metrics: dict[str, Any]) -> Iterator[str]:
    yield "\n## Scores\n"
    if not metrics:
        yield "Not scored: all clips were used for training."
        return
    folds = metrics.get("folds", [])
    if len(folds) > 1:
        yield (
            f"{len(folds)}-fold cross-validation without a shared location; every fold is trained afresh. The weights "
            "of this bundle come from all clips, so no clip is left to score them; the folds say what to expect."
        )
    else:
        yield f"On {metrics['split']}, which took no part in the training."
    yield "INT8 is TensorFlow Lite's reference kernels; log loss is the mean cross-entropy in nats.\n"
    yield "| list | clips | float log loss | float accuracy | INT8 log loss | INT8 accuracy |"
    yield "|---|---|---|---|---|---|"
    for fold in folds if len(folds) > 1 else []:
        yield _row(fold["split"], fold["clips"], fold)
    yield _row(metrics["split"], metrics["int8"]["clips"], metrics)
    calibrated = metrics.get("calibrated")
    if calibrated:
        yield _row("the same, calibrated", calibrated["int8"]["clips"], calibrated)
        yield (
            f"\nCalibrated: the logits of each fold's network, float and INT8, are divided by a temperature, "
            f"{', '.join(format(fold['calibrated']['temperature'], '.3f') for fold in folds)}, that gives the float "
            "networks of the other folds their least log loss on the clips that these were tested on. The weights of "
            f"this bundle's last layer are divided by {calibrated['temperature']:.3f}, the temperature of all folds "
            "together, so that the probabilities that the board sends are calibrated. All below is calibrated."
        )
    yield ""
    for key, name in KINDS:
        scored = calibrated or metrics
        low, high = scored[key]["intervals"]["log_loss"]
        worst, best = (100 * value for value in scored[key]["intervals"]["accuracy"])
        yield (
            f"- {name}, 95 % interval over locations (bootstrap): log loss {low:.2f} to {high:.2f}, accuracy "
            f"{worst:.1f} to {best:.1f} %"
        )
    for title, group in (("scene", "per_scene"), ("device", "per_device")):
        yield f"\n| {title} | clips | INT8 log loss | INT8 accuracy |"
        yield "|---|---|---|---|"
        for name, part in (calibrated or metrics)["int8"][group].items():
            yield f"| {name} | {part['clips']} | {part['log_loss']:.3f} | {100 * part['accuracy']:.1f} % |"


def _row(title: str, clips: int, scores: dict[str, Any]) -> str:
    cells = (f"{scores[key]['log_loss']:.3f} | {100 * scores[key]['accuracy']:.1f} %" for key, _ in KINDS)
    return f"| {title} | {clips} | {' | '.join(cells)} |"


def _data(bundle: Bundle) -> Iterator[str]:
    origin = bundle.provenance
    yield "\n## Data\n"
    yield (
        f"{origin['data_set']}: {origin['data_clips']} clips, fingerprint `{origin['data_fingerprint']}`. "
        f"Licence of the audio: {origin['data_licence']}. The weights are made from it: use them under the same terms."
    )
    if origin["data_clips"] < SMALL:
        yield (
            "\nThis is a small set: the scores tell how a recipe does on it, not how it would do on TAU Urban Acoustic "
            "Scenes 2022 Mobile, and other devices, cities and times will be harder."
        )


def _cost(bundle: Bundle) -> Iterator[str]:
    counts = complexity.measure(bundle.model)
    yield "\n## Cost\n"
    yield (
        f"{counts.parameters:,} parameters and {counts.macs:,} multiply-accumulates a clip; by the challenge's counter "
        f"(NeSsi) {counts.nessi_parameters:,} and {counts.nessi_macs:,}. The file is {len(bundle.model):,} bytes."
    )


def _origin(bundle: Bundle) -> Iterator[str]:
    origin = bundle.provenance
    yield "\n## How to make it again\n"
    yield f"```\n{origin['command']}\n```"
    # before there was a choice, it was librosa
    yield f"Features: {feature_engines.ENGINES[origin.get('features', feature_engines.LIBROSA)]}, from 16-bit samples."
    yield (
        f"Commit {origin['commit']}, seed {origin['seed']}, tinyscene {origin['tinyscene']}, Keras {origin['keras']} "
        f"on {origin['backend']}, TensorFlow {origin['tensorflow']}."
    )
