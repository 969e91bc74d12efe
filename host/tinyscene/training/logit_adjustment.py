"""Logit adjustment: what keeps a network from answering with what was frequent where it was trained.

Menon et al., "Long-tail learning via logit adjustment", 2021, equation 10: while labels are learnt, the logarithms of
the scenes' shares are added to the logits, so that the logits themselves need not say how frequent a scene was.

Recordings of one city tend to have things in common (level, season, who recorded), and a network hears that. In a small
set a city has few places of a scene, or none where whole places are held out: what such a network knows of the city
then speaks against the very scenes that are to come. So the shares can be those in a clip's own city.
"""

import numpy as np
from numpy.typing import NDArray

NONE, OVERALL, CITY = "none", "overall", "city"
KINDS = (NONE, OVERALL, CITY)
UNSEEN = 1  # clips that are added to each scene's count: Laplace's rule, for scenes of which a city has none


def log_shares(
    kind: str, labels: NDArray[np.int64], cities: NDArray[np.str_] | None, classes: int
) -> NDArray[np.float32]:
    """Return what is added to the logits of training clips [n, classes].

    Args:
        kind: "none": zeros; "overall": logarithms of the classes' shares of all clips; "city": of those of the clip's
            city.
        labels: the clips' class numbers [n].
        cities: the clips' [n]; None: all are of one.
        classes: how many there are.
    """
    if kind == NONE:
        return np.zeros((len(labels), classes), np.float32)
    known = np.zeros(len(labels), np.str_) if kind == OVERALL or cities is None else cities
    names, group = np.unique(known, return_inverse=True)
    counts = np.full((len(names), classes), float(UNSEEN))
    np.add.at(counts, (group, labels), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)[group]
