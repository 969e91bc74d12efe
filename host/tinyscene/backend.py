"""Keras, imported once with its back end's log lines turned off: every module takes `keras` from here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Send what native code writes to standard error to nowhere; exceptions still pass.

    TensorFlow logs through file descriptor 2, before its own log level can be set.
    """
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with quiet():
    import keras

if keras.backend.backend() == "tensorflow":
    with quiet():
        import tensorflow

    # Same seed, same result: with several threads a sum's order, and so its last bits, changes from run to run; within
    # an operation, and between operations where a network branches as the teacher does.
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.experimental.enable_op_determinism()

__all__ = ["keras", "quiet"]
