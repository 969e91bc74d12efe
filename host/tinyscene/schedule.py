"""Learning-rate schedules: a function of the training's progress, so that they fit any number of steps."""

import math


def sigmoid(progress: float, initial: float, final: float, steepness: float = 25.0, midpoint: float = 0.7) -> float:
    """Return the learning rate of TASO: a high plateau, a sigmoid fall, a low plateau.

    Macêdo, Dreyer, Ludermir, Zanchettin, "Training Aware Sigmoidal Optimizer", 2021, equation 1, with the share of
    the training done in place of epochs, and its constants 25 and 0.7.

    Args:
        progress: share of the training done, 0 to 1.
        initial: learning rate of the high plateau.
        final: learning rate of the low plateau.
        steepness: of the fall; 25 takes it from 92 % to 8 % of its height within a fifth of the training.
        midpoint: the progress at which half of the fall is done.
    """
    return final + (initial - final) / (1.0 + math.exp(steepness * (progress - midpoint)))


def constant(progress: float, initial: float, final: float) -> float:  # noqa: ARG001 - the shape of all schedules
    """Return `initial`, whatever the progress."""
    return initial


SCHEDULES = {"sigmoid": sigmoid, "constant": constant}
