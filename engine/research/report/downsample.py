"""Fewer points of a long series with every spike kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def downsample(values: NDArray[np.float64], points_max: int) -> NDArray[np.int64]:
    """Indexes of at most `points_max` points: lowest and highest of each of equally long buckets, and both ends.

    Args:
        values: float64[n].
        points_max: at least 8.

    Returns:
        int64[m] ascending, m <= points_max; all indexes where n <= points_max.
    """
    size = values.size
    if size <= points_max:
        return np.arange(size)
    length = -(-size // ((points_max - 4) // 2))  # of a bucket; the rest behind the whole buckets is one more
    whole = size // length * length
    buckets = values[:whole].reshape(-1, length)
    starts = np.arange(0, whole, length)
    rest = values[whole:] if whole < size else values[-1:]
    begin = size - rest.size
    ends = [0, begin + int(rest.argmin()), begin + int(rest.argmax()), size - 1]
    return np.unique(np.concatenate([starts + buckets.argmin(axis=1), starts + buckets.argmax(axis=1), ends]))
