"""Exact search for the nearest descriptors: products of blocks in float32 find candidates, float64 decides among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.faces.matcher import distances_to

__all__ = ["Neighbors", "nearest", "squared_lengths"]

QUERIES_AT_ONCE = 1024
ROWS_AT_ONCE = 16_384  # 8 MB
PRODUCTS_AT_ONCE = 4 << 20  # numbers of a block of products: 16 MB
#: An upper bound for the relative error of a squared distance that is computed as |x|² - 2 x·q + |q|² in float32, with 128 terms.
ROUNDING = 160 * 2.0**-24

Neighbors = tuple[NDArray[np.intp], NDArray[np.float64]]  # row numbers and distances


def squared_lengths(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squared length of each row, which many searches need."""
    lengths: NDArray[np.float32] = np.einsum("ij,ij->i", descriptors, descriptors)
    return lengths


def nearest(
    descriptors: NDArray[np.float32],
    lengths: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    max_distance: float = np.inf,
) -> list[Neighbors]:
    """The rows nearest to each query.

    Parameters
    ----------
    descriptors : float32 array [n,128]
    lengths : float32 array [n]
        Their `squared_lengths`.
    queries : float32 array [m,128]
    k : int
        At most so many rows.
    max_distance : float
        Rows farther than this are left out.

    Returns
    -------
    list of (rows, distances)
        For each query, by distance, then by row number.  The distances are those of `euclidean_distance`: float64, squares added
        in order.
    """
    found: list[Neighbors] = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        found += _nearest(descriptors, lengths, queries[start : start + QUERIES_AT_ONCE], k, max_distance)
    return found


def _nearest(
    descriptors: NDArray[np.float32], lengths: NDArray[np.float32], queries: NDArray[np.float32], k: int, max_distance: float
) -> list[Neighbors]:
    m = len(queries)
    block = min(PRODUCTS_AT_ONCE // m, ROWS_AT_ONCE)
    own = squared_lengths(queries)
    limits = np.full(m, float(max_distance) ** 2)  # no farther row is among the answers
    longest = float(lengths.max(initial=0))
    slack = ROUNDING * (np.sqrt(longest) + np.sqrt(own, dtype=np.float64)) ** 2
    found = _Candidates.none()
    products = np.empty((m, min(block, len(descriptors))), np.float32)
    for start in range(0, len(descriptors), block):
        rows = descriptors[start : start + block]
        squared = products[:, : len(rows)]
        np.matmul(queries * np.float32(-2), rows.T, out=squared)
        squared += lengths[start : start + block]
        squared += own[:, np.newaxis]
        if start == 0 and len(rows) > k:
            limits = np.minimum(limits, np.partition(squared, k - 1, axis=1)[:, k - 1] + slack)
        most = np.nextafter((limits + slack).astype(np.float32), np.float32(np.inf))
        query, row = np.divmod(np.flatnonzero(squared <= most[:, np.newaxis]), len(rows))
        found = found.joined(_Candidates(query, row + start, squared[query, row]))
        if len(found.query) > 4 * k * m:
            limits = np.minimum(limits, found.limits(m, k) + slack)
            found = found.chosen(found.squared <= (limits + slack)[found.query])
    order = np.argsort(found.query, kind="stable")
    ends = np.searchsorted(found.query[order], np.arange(m), side="right")
    return [
        _exact(descriptors, query, rows, k, max_distance)
        for query, rows in zip(queries, np.split(found.row[order], ends[:-1]), strict=True)
    ]


class _Candidates(NamedTuple):
    """Pairs of a query and a row, with the square of their distance in float32."""

    query: NDArray[np.intp]
    row: NDArray[np.intp]
    squared: NDArray[np.float32]

    @classmethod
    def none(cls) -> _Candidates:
        return cls(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))

    def joined(self, other: _Candidates) -> _Candidates:
        if not len(other.query):
            return self
        return _Candidates(
            np.concatenate([self.query, other.query]),
            np.concatenate([self.row, other.row]),
            np.concatenate([self.squared, other.squared]),
        )

    def chosen(self, which: NDArray[np.bool_]) -> _Candidates:
        return _Candidates(self.query[which], self.row[which], self.squared[which])

    def limits(self, queries: int, k: int) -> NDArray[np.float64]:
        """The k-th smallest square of each query; infinity if it has fewer candidates."""
        order = np.lexsort((self.squared, self.query))
        counts = np.bincount(self.query, minlength=queries)
        last = np.cumsum(counts) - counts + k - 1
        values = self.squared[order]
        return np.where(counts >= k, values[np.minimum(last, len(values) - 1)], np.inf).astype(np.float64)


def _exact(
    descriptors: NDArray[np.float32], query: NDArray[np.float32], rows: NDArray[np.intp], k: int, max_distance: float
) -> Neighbors:
    """The nearest of the candidates, in float64."""
    rows = np.sort(rows)
    distances = distances_to(np.ascontiguousarray(descriptors[rows].T, np.float64), query.astype(np.float64))
    order = np.argsort(distances, kind="stable")[:k]
    order = order[distances[order] <= max_distance]
    return rows[order], distances[order]
