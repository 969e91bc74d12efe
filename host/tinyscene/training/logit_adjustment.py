"""Logit adjustment: keeps a network from preferring the scenes that were frequent in its training clips.

Menon et al., "Long-tail learning via logit adjustment", 2021, equation 10: while labels are learnt, the logarithms of
the scenes' shares are added to the logits, so that the logits themselves need not encode how frequent a scene was.

Recordings of one city tend to have things in common (level, season, who recorded), and a network can recognise the
city. In a small set a city has few places of a scene, or none if whole places are held out: the network then learns
that these scenes are rare in that city, which counts against them on the held-out clips. So the shares can be those in
a clip's own city.
"""

import numpy as np
from numpy.typing import NDArray

NONE, OVERALL, CITY = "none", "overall", "city"
KINDS = (NONE, OVERALL, CITY)
UNSEEN = 1  # clips that are added to each scene's count: Laplace's rule, for scenes that a city lacks


def log_shares(
    kind: str, labels: NDArray[np.int64], cities: NDArray[np.str_] | None, classes: int
) -> NDArray[np.float32]:
    """Return the terms to add to the logits of training clips, [n, classes].

    Args:
        kind: "none": zeros; "overall": logarithms of the classes' shares of all clips; "city": logarithms of their
            shares of the clips of the clip's city.
        labels: the clips' class numbers [n].
        cities: the clips' cities [n]; None: all are from one city.
        classes: number of classes.
    """
    if kind == NONE:
        return np.zeros((len(labels), classes), np.float32)
    known = np.zeros(len(labels), np.str_) if kind == OVERALL or cities is None else cities
    names, group = np.unique(known, return_inverse=True)
    counts = np.full((len(names), classes), float(UNSEEN))
    np.add.at(counts, (group, labels), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)[group]
