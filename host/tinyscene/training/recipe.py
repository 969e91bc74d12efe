"""A run's configuration in words, for a model card: networks, teachers, augmentation, distillation, rounding."""

import dataclasses
from collections.abc import Iterator
from itertools import groupby

from tinyscene.augment import EIGHT, AugmentConfig
from tinyscene.training.config import ADAMW, CROSS_VALIDATE, NetworkConfig, RunConfig, TeacherConfig
from tinyscene.training.logit_adjustment import CITY, NONE


def words(settings: RunConfig) -> Iterator[str]:
    """Yield the items of a Markdown list, one line each; what several networks have in common is said once."""
    networks = {"Student": _network(settings.student)}
    for teacher, copies in groupby(settings.teachers, lambda each: dataclasses.replace(each, name="")):
        names = [f"`{copy.name}`" for copy in copies]
        title = f"Teacher {names[0]}" if len(names) == 1 else f"Teachers {', '.join(names)}, each"
        networks[title] = _network(teacher) + _own(teacher)
    teachers = [parts for title, parts in networks.items() if title != "Student"]
    for title, several in (("All networks", list(networks.values())), ("All teachers", teachers)):
        shared = [part for part in several[0] if all(part in each for each in several)] if len(several) > 1 else []
        if shared:
            yield f"- {title}: {'; '.join(shared)}."
        for parts in several:
            parts[:] = [part for part in parts if part not in shared]
    for title, parts in networks.items():
        yield f"- {title}: {'; '.join(parts) or 'nothing else'}."
    if settings.distillation is not None:
        yield f"- {_distillation(settings)}"
    yield f"- Augmentation: {_augmentation(settings.augment)}."
    yield f"- INT8: {_rounding(settings)}."
    yield f"- Clips: {_clips(settings)}. Seed of everything random: {settings.seed}."


def _own(teacher: TeacherConfig) -> list[str]:
    """Return what a teacher has for itself, instead of the run's."""
    parts = []
    if teacher.seed is not None:
        parts.append(f"seed {teacher.seed}")
    if teacher.frontend is not None:
        parts.append(f"images of its own, {teacher.frontend.n_mels}x{teacher.frontend.frames}")
    if teacher.augment is not None:
        parts.append(f"its own augmentation ({_augmentation(teacher.augment)})")
    return parts


def _network(network: NetworkConfig) -> list[str]:
    optimizer = "AdamW" if network.optimizer == ADAMW else "Adam"
    rate = f"learning rate {network.learning_rate:g}"
    if network.schedule != "constant":
        rate += f" to {network.final_learning_rate:g} ({network.schedule.replace('_', ' ')})"
    options = {**network.options, "dropout": None}  # dropout is listed separately
    built = [f"{option.replace('_', ' ')} {value:g}" for option, value in options.items() if value is not None]
    parts = [
        ", ".join([f"`{network.network}` of width {network.width:g}", *built, network.activation]),
        f"{network.epochs} epochs of batches of {network.batch_size}",
        f"{optimizer}, {rate}",
    ]
    if network.dropout is not None:
        parts.append(f"dropout {network.dropout:g}")
    if network.weight_decay:
        parts.append(f"weight decay {network.weight_decay:g}")
    if network.label_smoothing:
        parts.append(f"label smoothing {network.label_smoothing:g}")
    if network.logit_adjustment != NONE:
        where = "of its city's clips" if network.logit_adjustment == CITY else "of the clips"
        parts.append(f"while labels are learnt, logits adjusted by the logarithms of the scenes' shares {where}")
    if network.average_from is not None:
        parts.append(f"mean of the weights after {100 * network.average_from:g} % of the epochs")
    return parts


def _distillation(settings: RunConfig) -> str:
    assert settings.distillation is not None
    wanted, ensemble = settings.distillation, len(settings.teachers) > 1
    taught = "the mean prediction of the teachers" if ensemble else "the teacher's prediction"
    seen = (
        f"cross-fitted: of {wanted.cross_fit} parts without a shared location, each is taught by teachers that were "
        "trained on the others"
        if wanted.cross_fit
        else f"the clips are those that the {'teachers were' if ensemble else 'teacher was'} trained on"
    )
    return (
        f"Distillation: {taught} is {100 * wanted.soft_weight:g} % of the loss, at temperature {wanted.temperature:g}; "
        f"{seen}."
    )


def _augmentation(augment: AugmentConfig) -> str:
    parts = []
    if augment.time_roll:
        parts.append(f"rolled in time by up to {augment.time_roll} frames")
    for count, width, axis, unit in (
        (augment.frequency_masks, augment.frequency_mask_width, "frequency", "bands"),
        (augment.time_masks, augment.time_mask_width, "time", "frames"),
    ):
        if count:
            parts.append(f"{count} stripe{'s' * (count > 1)} in {axis} of up to {width} {unit} masked")
    if augment.mixup:
        parts.append(f"mixup, alpha {augment.mixup:g}")
    if augment.freq_mixstyle:
        parts.append(
            f"Freq-MixStyle of {100 * augment.freq_mixstyle:g} % of batches, alpha {augment.freq_mixstyle_alpha:g}"
        )
    if augment.gain:
        parts.append(f"gain of up to {augment.gain:g} dB either way")
    if augment.noise:
        parts.append(f"noise of deviation up to {augment.noise:g}")
    if augment.device_balance:
        parts.append(f"devices balanced by {100 * augment.device_balance:g} %")
    if augment.impulse_responses is not None:
        heard = "eight microphones" if augment.microphones == EIGHT else "all microphones"
        share = 100 * augment.impulse_response_probability
        parts.append(f"heard through {heard} of {augment.impulse_responses} in {share:g} % of uses")
    if augment.time_stretch:
        share = 100 * augment.time_stretch_probability
        parts.append(f"tempo changed by up to {100 * augment.time_stretch:g} % in {share:g} % of uses")
    if augment.pitch_shift:
        share = 100 * augment.pitch_shift_probability
        parts.append(f"pitch shifted by up to {augment.pitch_shift:g} semitones in {share:g} % of uses")
    return "; ".join(parts) or "none"


def _rounding(settings: RunConfig) -> str:
    wanted = settings.quantisation
    if not wanted.epochs:
        return "converted after training, without fine-tuning"
    return (
        f"fine-tuned for {wanted.epochs} epochs with the rounding of INT8, learning rate {wanted.learning_rate:g} to "
        f"{wanted.final_learning_rate:g}, then converted"
    )


def _clips(settings: RunConfig) -> str:
    folds = settings.data.folds
    if folds == CROSS_VALIDATE:
        watched = f", {100 * settings.data.validation_fraction:g} % of its training clips held out to watch"
        return f"every fold{watched * bool(settings.data.validation_fraction)}; then final weights from all"
    return "all, none is held out" if isinstance(folds, str) else f"fold {folds}"
