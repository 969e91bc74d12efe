"""Several devices for one network: each takes its share of every batch, by Keras's DataParallel, on JAX.

Weights are on all devices, and a batch's sums (gradients, statistics of batch normalisation) are over all of its rows,
so that several devices compute what one does, except for rounding. With one device, or another back end, nothing
changes.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import TinysceneError
from tinyscene.networks.backend import BACKEND, keras


@functools.cache
def devices() -> int:
    """Return how many devices share each batch; the first call sets up Keras, so make it before building a network."""
    if BACKEND != "jax":
        return 1
    import jax

    local = jax.local_devices()
    if len(local) > 1:
        names = [f"{device.platform}:{device.id}" for device in local]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names, auto_shard_dataset=False))
    return len(local)


def batches(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Return rows in batches of nearly equal length, about `size` at most, which divide evenly among the devices.

    If the rows are not a multiple of the devices, the last few are dropped; shuffled rows drop others every time.

    Raises:
        TinysceneError: there are fewer rows than devices.
    """
    count = devices()
    shares = len(rows) // count
    if not shares:
        raise TinysceneError(
            f"{count} devices cannot train on {len(rows)} clips; let JAX see fewer devices, with CUDA_VISIBLE_DEVICES"
        )
    steps = min(-(-len(rows) // size), shares)
    return [part.reshape(-1) for part in np.array_split(rows[: shares * count].reshape(shares, count), steps)]


def rounded_up(rows: int) -> int:
    """Return the next number of rows that divides evenly among the devices."""
    return -(-rows // devices()) * devices()


def shared_out(inputs: NDArray[np.float32]) -> Any:
    """Return a batch spread over all devices, each with its share of the rows.

    Rows are repeated at the end up to a multiple of the devices: drop the outputs for them.
    """
    if devices() == 1:
        return inputs
    padded = np.resize(inputs, (rounded_up(len(inputs)), *inputs.shape[1:]))
    layout = keras.distribution.distribution().get_data_layout(padded.shape)
    return keras.distribution.distribute_tensor(padded, layout)
