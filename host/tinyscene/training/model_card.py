"""The text of MODEL_CARD.md: what a bundle is, how well it does, where it comes from, how to make it again.

A card is written only from the bundle and, if its folder has one, its table of ablations: same folder, same card.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyscene import files
from tinyscene.bundle import CARD_FILE, DESCRIPTION_FILE, Bundle
from tinyscene.compiler import complexity, pipeline as compiler
from tinyscene.console import console
from tinyscene.errors import BundleError, ConfigError, ModelError
from tinyscene.evaluation import comparison, teacher_scores
from tinyscene.frontend import engines as feature_engines
from tinyscene.training import ablation, config, provenance, recipe

RARE, OFTEN = 0.2, 0.1  # shares of a scene's clips that are found, or taken for another, and said as a limit
FEW = 10  # clips; of fewer, nothing is said
SMALL = 10_000  # clips; with fewer, the card says that the set is small
KINDS = (("float", "float"), ("int8", "INT8"))
MEASURES = (("log_loss", "log loss"), ("accuracy", "accuracy"))
OPTIMIZE: tuple[compiler.Optimize, ...] = ("memory", "speed")


def rewrite(folder: Path) -> None:
    """Write the card of the bundle in `folder` again: the command `tinyscene card`.

    Raises:
        BundleError: there is no valid bundle, or it was derived, not trained.
        TinysceneError: the card cannot be written.
    """
    card = of_folder(Path(folder))
    files.write_text(Path(folder) / CARD_FILE, card)
    console.print(f"card: {Path(folder) / CARD_FILE}")


def of_folder(folder: Path) -> str:
    """Return the card of the bundle in `folder`, with its table of ablations; errors as for `rewrite`."""
    bundle = Bundle.load(folder)
    if "command" not in bundle.provenance:
        raise BundleError(
            f"{folder} was not written by a training run, so this command cannot write its card; name the bundle that "
            "it was made from"
        )
    try:
        return write(bundle, ablation.read(folder, bundle))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:  # of whatever type a value may be
        raise BundleError(
            f"{Path(folder) / DESCRIPTION_FILE}: its metrics or provenance are not as training writes them "
            f"({type(error).__name__}: {error}); restore it or train again"
        ) from error


def write(bundle: Bundle, ablations: Sequence[dict[str, Any]] = ()) -> str:
    """Return the card, Markdown, of a bundle.

    Args:
        bundle: bundle whose `metrics` are the trainer's (scores under "float" and "int8", a list of folds), or empty.
        ablations: result of `ablation.read`.
    """
    before = (_head, _use, _limits, _scores, _calibration, _teachers, _data, _recipe)
    after = (_cost, _origin)
    parts = [*(part(bundle) for part in before), _ablations(ablations), *(part(bundle) for part in after)]
    return "\n".join(line for part in parts for line in part) + "\n"


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


def _use(bundle: Bundle) -> Iterator[str]:
    front = bundle.frontend
    yield "\n## Intended use\n"
    yield (
        f"To tell where a microcontroller with a microphone is, as one of these {len(bundle.classes)} scenes, from its "
        "sound alone; to measure what such a network costs and gets right on a board; and as a start for networks of "
        "your own. It always names one of them, also where it is somewhere else. Not for decisions that harm somebody "
        "if they are wrong, and not for watching people."
    )
    yield "\n## How to use it\n"
    yield (
        "BUNDLE is this folder; BOARD is `mps2`, which is emulated, or a real one.\n\n"
        "```\n"
        "tinyscene evaluate BUNDLE --data DIR --split LIST   # its scores on your clips, on this machine\n"
        "tinyscene export BUNDLE                             # as C, with its front end\n"
        "pio run -e BOARD                                    # firmware around it\n"
        "tinyscene emulate BOARD                             # prints a URL; or flash: make flash BOARD=BOARD\n"
        "tinyscene device classify FILE --port URL           # the board's answer for a sound\n"
        "```\n"
    )
    yield (
        f"It takes {front.clip_samples / front.sample_rate:g} s of PCM at {front.sample_rate:,} Hz, one channel; "
        "`tinyscene at-rate` makes a bundle for a microphone with another rate."
    )


def _limits(bundle: Bundle) -> Iterator[str]:
    """Say what the scores mean for somebody who relies on an answer; every figure is the INT8 model's."""
    if not bundle.metrics:
        return
    yield "\n## Limits\n"
    scored = bundle.metrics.get("calibrated", bundle.metrics)["int8"]
    if _is_computed(bundle):
        yield "- It has heard computed sounds only, and knows nothing of real places: the scores are for such sounds."
    right, chance = 100 * scored["accuracy"], 100 / len(bundle.classes)
    yield f"- Of 100 answers, {right:.0f} are right; chance would give {chance:.0f}."
    scenes = sorted(scored["per_scene"].items(), key=lambda item: item[1]["accuracy"])
    if rare := [f"{name} ({100 * part['accuracy']:.0f} % of its clips)" for name, part in scenes if _is_rare(part)]:
        yield f"- It rarely finds {', '.join(rare)}; that it does not name a scene says little about that one."
    yield from _confused(scored)
    devices = [(part["accuracy"], name) for name, part in scored["per_device"].items() if part["clips"] >= FEW]
    if len(devices) > 1 and not _is_computed(bundle):
        (low, worst), (high, best) = min(devices), max(devices)
        yield (
            f"- It depends on the microphone: {100 * low:.0f} % of the clips of device {worst} are right, "
            f"{100 * high:.0f} % of device {best}. Expect less of a microphone that it was not trained with."
        )
    if "reliability" in scored:
        yield f"- Its probabilities are off by {100 * scored['reliability']['ece']:.0f} points on average."


def _is_computed(bundle: Bundle) -> bool:
    """Whether it has heard computed sounds only."""
    return bundle.provenance.get("data_licence") == provenance.PUBLIC_DOMAIN


def _is_rare(part: Mapping[str, Any]) -> bool:
    return part["accuracy"] < RARE and part["clips"] >= FEW


def _confused(scored: Mapping[str, Any]) -> Iterator[str]:
    """Say which scene is most often taken for which other."""
    classes = scored["classes"]
    taken = [
        (count / sum(row), true, given)
        for true, row in zip(classes, scored["confusion"], strict=True)
        for given, count in zip(classes, row, strict=True)
        if given != true and sum(row) >= FEW
    ]
    share, true, given = max(taken, default=(0.0, "", ""))
    if share >= OFTEN:
        yield f"- It takes {100 * share:.0f} % of {true} for {given}, more than any other scene for another."


def _scores(bundle: Bundle) -> Iterator[str]:
    metrics = bundle.metrics
    yield "\n## Scores\n"
    if not metrics:
        yield "Not scored: all clips were used for training."
        return
    folds = metrics.get("folds", [])
    calibrated = metrics.get("calibrated", {})
    if len(folds) > 1:
        yield (
            f"{len(folds)}-fold cross-validation without a shared location; every fold is trained from scratch. The "
            "weights of this bundle come from all clips, so no clip is left to score them; the folds say what to "
            "expect."
        )
    else:
        yield f"On {metrics['split']}, which took no part in the training."
    yield "INT8 is TensorFlow Lite's reference kernels; log loss is the mean cross-entropy in nats.\n"
    columns = ["clips", *(f"{name} {measure}" for _, measure in reversed(MEASURES) for _, name in KINDS)]
    if calibrated:
        columns += ["temperature", *(f"calibrated {name} log loss" for _, name in KINDS)]
    yield from _table_head("list", columns)
    for fold in folds if len(folds) > 1 else []:
        yield _row(fold["split"], fold["clips"], fold)
    yield _row(metrics["split"], metrics["int8"]["clips"], metrics)
    if calibrated:
        yield (
            "\nCalibrated: the logits of each fold's network, float and INT8, are divided by the temperature that "
            "gives the float networks of the other folds their least log loss on the clips that these were tested on; "
            "no prediction changes. The weights of this bundle's last layer are divided by "
            f"{calibrated['temperature']:.3f}, the temperature of all folds together, so that the probabilities that "
            "the board sends are calibrated. All below is calibrated, unless it says otherwise."
        )
    scored = calibrated or metrics
    yield ""
    for key, name in KINDS:
        low, high = scored[key]["intervals"]["log_loss"]
        worst, best = (100 * value for value in scored[key]["intervals"]["accuracy"])
        yield (
            f"- {name}, 95 % interval over locations (bootstrap): log loss {low:.2f} to {high:.2f}, accuracy "
            f"{worst:.1f} to {best:.1f} %"
        )
    yield _int8_minus_float(scored)
    for title, group in (("scene", "per_scene"), ("device", "per_device")):
        yield ""
        yield from _table_head(title, ("clips", "INT8 log loss", "INT8 accuracy"))
        for name, part in scored["int8"][group].items():
            yield f"| {name} | {part['clips']} | {part['log_loss']:.3f} | {100 * part['accuracy']:.1f} % |"
    yield "\nINT8 predictions in clips; a row is a true scene, a column a prediction:\n"
    classes = scored["int8"]["classes"]
    yield from _table_head("", classes)
    for name, row in zip(classes, scored["int8"]["confusion"], strict=True):
        yield f"| {name} | {' | '.join(str(count) if count else '·' for count in row)} |"


def _int8_minus_float(scored: Mapping[str, Any]) -> str:
    if paired := scored.get(comparison.INT8_MINUS_FLOAT):
        loss_said, accuracy_said = (
            f"{name} {comparison.difference_with_interval(key, paired[key], paired['intervals'][key])}"
            for key, name in MEASURES
        )
        return f"- INT8 minus float, clip by clip: {loss_said}, {accuracy_said}"
    loss, accuracy = (scored["int8"][key] - scored["float"][key] for key, _ in MEASURES)
    return f"- INT8 minus float: log loss {loss:+.4f}, accuracy {100 * accuracy:+.2f} points"


def _table_head(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(columns)} |"
    yield "|---" + "|---:" * len(columns) + "|"


def _row(title: str, clips: int, scores: Mapping[str, Any]) -> str:
    cells = [str(clips)]
    cells += [f"{100 * scores[key]['accuracy']:.1f} %" for key, _ in KINDS]
    cells += [f"{scores[key]['log_loss']:.3f}" for key, _ in KINDS]
    if calibrated := scores.get("calibrated"):
        cells += [f"{calibrated['temperature']:.3f}", *(f"{calibrated[key]['log_loss']:.3f}" for key, _ in KINDS)]
    return f"| {title} | {' | '.join(cells)} |"


def _calibration(bundle: Bundle) -> Iterator[str]:
    stages = {
        name: {key: scores[key]["reliability"] for key, _ in KINDS}
        for name, scores in (("as trained", bundle.metrics), ("calibrated", bundle.metrics.get("calibrated", {})))
        if all("reliability" in scores.get(key, {}) for key, _ in KINDS)
    }
    if not stages:
        return
    yield "\n## Calibration\n"
    yield (
        "Confidence is the probability of the prediction. The expected calibration error (ECE) is how far it is from "
        "the share of right predictions, in bins of confidence, weighted by their clips (Guo et al., 2017).\n"
    )
    yield from _table_head("probabilities", [f"ECE {name}" for _, name in KINDS])
    for stage, tables in stages.items():
        yield f"| {stage} | {' | '.join(format(tables[key]['ece'], '.3f') for key, _ in KINDS)} |"
    yield "\nINT8, by confidence:\n"
    columns = [f"{what}, {stage}" for stage in stages for what in ("clips", "confidence", "accuracy")]
    yield from _table_head("above", columns)
    bins = [{each["above"]: each for each in tables["int8"]["bins"]} for tables in stages.values()]
    for above in sorted(set().union(*bins)):
        cells = (cell for table in bins for cell in _bin(table.get(above)))
        yield f"| {100 * above:.0f} % | {' | '.join(cells)} |"


def _bin(found: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if found is None:
        return "·", "·", "·"
    return str(found["clips"]), f"{100 * found['confidence']:.1f} %", f"{100 * found['accuracy']:.1f} %"


def _teachers(bundle: Bundle) -> Iterator[str]:
    if not (rows := teacher_scores.rows(bundle.metrics)):
        return
    yield "\n## Teachers\n"
    yield (
        "The networks that the student learned from, in float, on the same clips; as trained, without temperature. The "
        "prediction of several networks is the mean of their probabilities. 95 % intervals over locations.\n"
    )
    yield from _table_head("network", [name for _, name in MEASURES])
    for title, scores in rows:
        cells = (comparison.score_with_interval(key, scores) for key, _ in MEASURES)
        yield f"| {title} | {' | '.join(cells)} |"


def _data(bundle: Bundle) -> Iterator[str]:
    origin = bundle.provenance
    yield "\n## Data\n"
    yield (
        f"{origin['data_set']}: {origin['data_clips']} clips, fingerprint `{origin['data_fingerprint']}`. "
        f"Licence of the audio: {origin['data_licence']}. The weights are made from it: use them under the same terms."
    )
    if origin["data_clips"] < SMALL and not _is_computed(bundle):
        yield (
            "\nThis is a small set: the scores show how a recipe does on it, not how it would do on TAU Urban Acoustic "
            "Scenes 2022 Mobile, and other devices, cities and times will be harder."
        )


def _recipe(bundle: Bundle) -> Iterator[str]:
    resolved = bundle.provenance.get("configuration")
    if resolved is None:  # a bundle from tinyscene 0.1.0
        return
    yield "\n## Recipe\n"
    try:
        yield from recipe.words(config.parse(resolved))
    except ConfigError:  # from a tinyscene whose configurations had other keys
        yield "The configuration is from another version of tinyscene."
    yield f"\nEvery setting, as the run resolved it, is in `{DESCRIPTION_FILE}` under `provenance.configuration`."


def _ablations(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    if results:
        yield "\n## Ablations\n"
        yield from ablation.lines(results)


def _cost(bundle: Bundle) -> Iterator[str]:
    counts = complexity.measure(bundle.model)
    yield "\n## Cost\n"
    yield (
        f"{counts.parameters:,} parameters and {counts.macs:,} multiply-accumulates a clip; by the challenge's counter "
        f"(NeSsi) {counts.nessi_parameters:,} and {counts.nessi_macs:,}. The file is {len(bundle.model):,} bytes."
    )
    try:
        compiled = {choice: compiler.plan_model(bundle.model, optimize=choice).report() for choice in OPTIMIZE}
    except ModelError:  # the network has an operator that only the host can run
        return
    yield "\nCompiled to C for a Cortex-M4; instructions are the compiler's estimate, without the front end:\n"
    yield from _table_head("compiled for", ("M instructions a clip", "RAM, bytes", "constants, bytes"))
    for choice, report in compiled.items():
        more = "> " * any(layer.instructions is None for layer in report.layers)
        cells = f"{report.instructions / 1e6:.2f} | {report.ram_bytes:,} | {report.constant_bytes:,}"
        yield f"| {choice} | {more}{cells} |"


def _origin(bundle: Bundle) -> Iterator[str]:
    origin = bundle.provenance
    yield "\n## How to make it again\n"
    yield f"```\n{origin['command']}\n```"
    # bundles from before there was a choice used librosa
    yield f"Features: {feature_engines.ENGINES[origin.get('features', feature_engines.LIBROSA)]}, from 16-bit samples."
    yield (
        f"Commit {origin['commit']}, seed {origin['seed']}, tinyscene {origin['tinyscene']}, Keras {origin['keras']} "
        f"on {origin['backend']}, TensorFlow {origin['tensorflow']}."
    )
