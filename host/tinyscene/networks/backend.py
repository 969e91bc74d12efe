"""Keras, imported once with its back end's log lines turned off: every module imports `keras` from here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what native code writes to standard error; exceptions still pass.

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
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes most of a GPU's memory at once
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # PyTorch needs it to be deterministic on a GPU
_ONE_ORDER = "--xla_cpu_multi_thread_eigen=false --xla_gpu_deterministic_ops=true"
os.environ["XLA_FLAGS"] = f"{_ONE_ORDER} {os.environ.get('XLA_FLAGS', '')}".strip()  # a user's own flags come last
with quiet():
    import keras
    import tensorflow  # with any back end, because a later import of it would not be quiet

BACKEND: str = keras.backend.backend()

# Same seed, same result. With several threads the order of a sum, and so its last bits, changes from run to run: within
# an operation, and between operations where a network branches as the teacher does. Products are of full float32.
if BACKEND == "tensorflow":
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.experimental.enable_op_determinism()
else:
    tensorflow.config.set_visible_devices([], "GPU")  # it only converts and scores: leave the memory to the back end
if BACKEND == "jax":
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
elif BACKEND == "torch":
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.allow_tf32 = False

__all__ = ["BACKEND", "keras", "quiet"]
