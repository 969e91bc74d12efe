"""Training one network: the loop and its losses.

Keras 3 on any back end: the step is `train_on_batch`, the losses use `keras.ops`, everything random is NumPy's and
seeded by (seed, network's folder, epoch), so that an interrupted run resumes exactly as if it had not been stopped.
"""

import dataclasses
import math
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from tinyscene.augment import AugmentConfig, images as augment_images, variants
from tinyscene.bundle import softmax
from tinyscene.console import progress_bar
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import metrics
from tinyscene.networks import distribution, keras
from tinyscene.training import checkpoint, duration, schedule
from tinyscene.training.averaging import WeightMean, estimate_statistics
from tinyscene.training.config import ADAM, DistillationConfig, NetworkConfig
from tinyscene.training.duration import UNPLANNED, Clock, Plan
from tinyscene.training.examples import Examples

PREDICTION_BATCH = 64

Loss = Callable[[Any, Any], Any]
"""(targets, logits) -> a loss per example."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One network to train.

    Attributes:
        folder: folder of its checkpoint and history.
        config: the network and its hyperparameters.
        augment: augmentation of the training batches.
        seed: seed of everything random.
        classes: number of outputs.
        title: name shown in the progress display.
        live: whether to draw a progress bar; a line per epoch is printed in any case.
        plan: plan of its run, to predict how long that will take.
    """

    folder: Path
    config: NetworkConfig
    augment: AugmentConfig
    seed: int
    classes: int
    title: str
    live: bool = True
    plan: Plan = UNPLANNED

    def random(self, *key: int) -> np.random.Generator:
        """Return a generator for this seed, the folder's name (teacher, student, ...) and `key`."""
        return np.random.default_rng([self.seed, zlib.crc32(self.folder.name.encode()), *key])


def train(
    task: Task,
    training: Examples,
    validation: Examples,
    *,
    distillation: DistillationConfig | None = None,
    start: keras.Model | None = None,
) -> keras.Model:
    """Train a network, from its last checkpoint if there is one.

    Args:
        task: the network to train.
        training: examples to learn from.
        validation: examples to score after every epoch; may be empty.
        distillation: settings of the distillation, if the training examples have soft targets.
        start: a network to continue with, instead of a new one.

    Returns:
        The network after the last epoch. `task.folder` has its checkpoint and `history.jsonl`, a line per epoch:
        epoch, learning_rate, loss, val_log_loss, val_accuracy (null without validation), seconds.

    Raises:
        TinysceneError: a checkpoint cannot be written (the previous one stays), or is damaged; or the loss became
            infinite or no number.
    """
    loss = label_loss(task.classes) if distillation is None else distillation_loss(distillation, task.classes)
    model = _compiled(task, (training.images.shape[1], training.images.shape[2]), loss, start)
    mean = WeightMean()
    history = checkpoint.restore(task.folder, model, mean)
    if len(history) == task.config.epochs:
        return model
    steps = len(distribution.batches(np.arange(len(training)), task.config.batch_size))
    clock = Clock(task.plan, task.folder, steps, len(history))
    with progress_bar(disable=not task.live) as progress:
        bar = progress.add_task(task.title, total=task.config.epochs * steps, completed=len(history) * steps)

        def advance() -> None:
            progress.advance(bar)
            if line := clock.step():
                progress.console.print(f"{task.title}: {line}", highlight=False, soft_wrap=True)

        for epoch in range(len(history), task.config.epochs):
            started = time.monotonic()
            batches = _batches(task, training, epoch)
            mean_loss = _epoch(task, model, batches, epoch, steps, advance)
            if not math.isfinite(mean_loss):
                raise TinysceneError(
                    f"{task.title}: the loss of epoch {epoch + 1} is no number ({mean_loss}), and nothing of it "
                    "was saved; set a lower learning_rate, or a longer warmup"
                )
            _average(task, model, mean, training, epoch)
            history.append(
                {
                    "epoch": epoch + 1,
                    "learning_rate": float(model.optimizer.learning_rate),
                    "loss": mean_loss,
                    **_validate(model, validation),
                    "seconds": round(time.monotonic() - started, 2),
                }
            )
            checkpoint.save(task.folder, model, history, mean)
            _show(progress, task, history[-1], clock.to_go())
    return model


def load(task: Task, shape: tuple[int, int], start: keras.Model | None = None) -> keras.Model:
    """Return the network of a finished training, for images of `shape` (n_mels, frames); `start` as for `train`.

    Raises:
        TinysceneError: its checkpoint is missing or damaged.
    """
    model = _compiled(task, shape, cross_entropy, start)
    if len(checkpoint.restore(task.folder, model, WeightMean())) < task.config.epochs:
        raise TinysceneError(f"{task.folder} has no finished training; delete its bundle folder and train again")
    return model


def _compiled(task: Task, shape: tuple[int, int], loss: Loss, start: keras.Model | None = None) -> keras.Model:
    """Return the compiled network, with fresh weights if it is new, and an optimiser, both ready for a checkpoint."""
    network = task.config
    model = start
    if model is None:
        keras.utils.set_random_seed(int(task.random().integers(2**32)))
        model = network.build(shape, task.classes)
    optimizer = _optimizer(network, model)
    model.compile(optimizer=optimizer, loss=loss)
    optimizer.build(model.trainable_variables)
    return model


def _optimizer(network: NetworkConfig, model: keras.Model) -> keras.optimizers.Optimizer:
    if network.optimizer == ADAM:
        return keras.optimizers.Adam(network.learning_rate)
    optimizer = keras.optimizers.AdamW(network.learning_rate, weight_decay=network.weight_decay)
    optimizer.exclude_from_weight_decay([variable for variable in model.trainable_variables if len(variable.shape) < 2])
    return optimizer


def _epoch(
    task: Task,
    model: keras.Model,
    batches: Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]],
    epoch: int,
    steps: int,
    advance: Callable[[], None],
) -> float:
    """Train for one epoch; return its mean loss."""
    network = task.config
    reset_seeds(model, task.random(epoch, 1))
    total, count = 0.0, 0
    for step, (inputs, targets) in enumerate(batches):
        progress = (epoch * steps + step) / (network.epochs * steps)
        model.optimizer.learning_rate.assign(
            schedule.learning_rate(
                network.schedule, progress, network.learning_rate, network.final_learning_rate, network.warmup
            )
        )
        model.reset_metrics()
        total += float(model.train_on_batch(inputs[..., np.newaxis], targets)) * len(inputs)
        count += len(inputs)
        advance()
    return total / count


def _batches(task: Task, training: Examples, epoch: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield an epoch's shuffled, augmented batches of nearly equal size."""
    rng = task.random(epoch, 0)
    targets = training.targets(task.classes, task.config.label_smoothing, task.config.logit_adjustment)
    decibel = np.float32(training.decibel) / np.asarray(training.normalisation.std, np.float32)
    devices = np.zeros(len(training), str) if training.devices is None else training.devices
    drawn = augment_images.balanced_rows(devices, task.augment.device_balance, rng)
    for rows in distribution.batches(drawn, task.config.batch_size):
        images = training.normalisation.apply(variants.choose(training.images, training.variants, rows, rng))
        yield augment_images.batch(images, targets[rows], task.augment, rng, decibel)


def _average(task: Task, model: keras.Model, mean: WeightMean, training: Examples, epoch: int) -> None:
    """Add the weights of an epoch to the mean; after the last epoch, assign the mean to the model."""
    network = task.config
    if network.average_from is None or epoch + 1 <= network.average_from * network.epochs:
        return
    mean.add(model)
    if epoch + 1 == network.epochs:
        mean.assign_to(model)
        rows = task.random(network.epochs, 2).permutation(len(training))  # lists are sorted by class
        batches = distribution.batches(rows, network.batch_size)
        inputs = (training.inputs(batch)[..., np.newaxis] for batch in batches)
        estimate_statistics(model, (distribution.shared_out(batch) for batch in inputs))


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Softmax cross-entropy of logits [batch, classes] with class probabilities, per example."""
    return keras.ops.categorical_crossentropy(targets, logits, from_logits=True)


def label_loss(classes: int) -> Loss:
    """Return the cross-entropy with targets [batch, 2 * classes].

    These are the labels' probabilities, then the terms added to the logits in this loss, see `logit_adjustment`.
    """

    def loss(targets: Any, logits: Any) -> Any:
        return cross_entropy(targets[:, :classes], logits + targets[:, classes : 2 * classes])

    return loss


def distillation_loss(config: DistillationConfig, classes: int) -> Loss:
    """Return Hinton et al.'s loss for targets [batch, 3 * classes]: those of `label_loss`, then the teachers'.

    The teachers' probabilities are already at the temperature. The soft part is multiplied by the temperature's square,
    so that its gradients keep their size.
    """
    of_labels = label_loss(classes)

    def loss(targets: Any, logits: Any) -> Any:
        soft_loss = cross_entropy(targets[:, 2 * classes :], logits / config.temperature) * config.temperature**2
        return (1 - config.soft_weight) * of_labels(targets, logits) + config.soft_weight * soft_loss

    return loss


def predict(model: keras.Model, examples: Examples) -> NDArray[np.float32]:
    """Return the logits [n, classes] of all examples, in batches."""
    logits = np.empty((len(examples), model.output_shape[-1]), np.float32)
    size = PREDICTION_BATCH * distribution.devices()
    for start in range(0, len(examples), size):
        inputs = examples.inputs(slice(start, start + size))[..., np.newaxis]
        answers = keras.ops.convert_to_numpy(model.predict_on_batch(distribution.shared_out(inputs)))
        logits[start : start + size] = answers[: len(inputs)]
    return logits


def _validate(model: keras.Model, validation: Examples) -> dict[str, float | None]:
    if not len(validation):
        return {"val_log_loss": None, "val_accuracy": None}
    probabilities = softmax(predict(model, validation))
    return {
        "val_log_loss": float(metrics.losses(probabilities, validation.labels).mean()),
        "val_accuracy": float((probabilities.argmax(axis=1) == validation.labels).mean()),
    }


def reset_seeds(model: keras.Model, rng: np.random.Generator) -> None:
    """Give every layer that draws random numbers a new seed, so that an epoch does not depend on those before it."""
    for layer in model.layers:
        if (generator := getattr(layer, "seed_generator", None)) is not None:
            generator.state.assign(rng.integers(2**31, size=2).astype(np.uint32))


def _show(progress: Progress, task: Task, line: dict[str, Any], to_go: float | None) -> None:
    validation = ""
    if line["val_log_loss"] is not None:
        validation = f", validation log loss {line['val_log_loss']:.3f}, accuracy {100 * line['val_accuracy']:.1f} %"
    run = "" if not to_go else f", run: {duration.spoken(to_go)} to go"
    progress.console.print(
        f"{task.title} epoch {line['epoch']}/{task.config.epochs}: loss {line['loss']:.3f}{validation}, "
        f"learning rate {line['learning_rate']:.2g}, {line['seconds']:.1f} s{run}",
        highlight=False,
        soft_wrap=True,
    )
