"""Learning-rate schedules: a function of the training's progress, so that they fit any number of steps."""

import math


def sigmoid(progress: float, initial: float, final: float, steepness: float = 25.0, midpoint: float = 0.7) -> float:
    """Return the learning rate of TASO: a high plateau, a sigmoid fall, a low plateau.

    Macêdo, Dreyer, Ludermir, Zanchettin, "Training Aware Sigmoidal Optimizer", 2021, equation 1, with the share of
    the training done instead of epochs, and its constants 25 and 0.7.

    Args:
        progress: share of the training done, 0 to 1.
        initial: learning rate of the high plateau.
        final: learning rate of the low plateau.
        steepness: steepness of the fall; 25 takes it from 92 % to 8 % of its height within a fifth of the training.
        midpoint: the progress at which half of the fall is done.
    """
    return final + (initial - final) / (1.0 + math.exp(steepness * (progress - midpoint)))


def constant(progress: float, initial: float, final: float) -> float:  # noqa: ARG001 - the shape of all schedules
    """Return `initial`, whatever the progress."""
    return initial


def warmup_cosine(progress: float, initial: float, final: float, warmup: float = 0.1) -> float:
    """Return a rate that rises linearly from 0 to `initial`, then falls to `final` along half a cosine.

    The cosine is Loshchilov and Hutter's, "SGDR", 2017, equation 5, without restarts; the rise is that of Goyal et al.,
    "Accurate, Large Minibatch SGD", 2017, section 2.2.

    Args:
        progress: share of the training done, 0 to 1.
        initial: the highest rate.
        final: the rate at the end.
        warmup: share of the training in which the rate rises; below 1.
    """
    if progress < warmup:
        return initial * progress / warmup
    return final + (initial - final) * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


SIGMOID, CONSTANT, WARMUP_COSINE = "sigmoid", "constant", "warmup_cosine"
SCHEDULES = (SIGMOID, CONSTANT, WARMUP_COSINE)


def learning_rate(schedule: str, progress: float, initial: float, final: float, warmup: float) -> float:
    """Return the rate of one of `SCHEDULES`; only "warmup_cosine" has a `warmup`."""
    if schedule == WARMUP_COSINE:
        return warmup_cosine(progress, initial, final, warmup)
    return {SIGMOID: sigmoid, CONSTANT: constant}[schedule](progress, initial, final)
