"""Groups of faces that are probably one person: agglomerative clustering with average linkage, cut at a distance.

Two groups are as far apart as the root of the mean squared distance between a face of one and a face of the other.  That is

    d²(A, B) = |mean(A) - mean(B)|² + variance(A) + variance(B),

so a group is kept as its mean and its variance, and there is no matrix of all distances.  The two nearest groups are joined
again and again until none are nearer than the cut.  A joined group is never nearer to a third than the nearer of its two parts
was.  So all pairs that are each other's nearest can be joined in one round, with the same result as one pair at a time, and a
group without a neighbour within the cut is finished (Müllner, *Modern hierarchical, agglomerative clustering algorithms*, 2011,
section 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grouped"]

ROWS_AT_ONCE, COLUMNS_AT_ONCE = 1024, 4096
#: Twice a bound for the error of a squared distance computed in float32 with 128 products, in units of the largest square.
ROUNDING = 1024 * 2.0**-24

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


def grouped(descriptors: NDArray[np.float32], people: Indices, apart: Indices, cut: float) -> Indices:
    """The group of each face, as the number of one face in it.

    Parameters
    ----------
    descriptors : float32 array [n,128]
        Their order matters only where distances are equal.
    people : int array [n]
        Whom a face is known to be, or -1.  Faces of one person are one group, whatever their distances; those of different people
        are in different groups.
    apart : int array [m,2]
        Pairs of faces in different groups, unless they are known to be one person.
    cut : float
        The largest distance at which two groups are joined.
    """
    if not len(descriptors):
        return np.empty(0, np.intp)
    parent = np.arange(len(descriptors))  # a face of the same group that comes earlier, or itself
    groups = _Groups(descriptors, people, apart)
    for person in np.unique(people[people >= 0]):
        members = np.flatnonzero(people == person)
        parent[members] = members[0]
        groups.add_all(members)
    groups.keep(parent == np.arange(len(parent)), parent)
    limit, stale = cut**2, np.arange(len(groups.faces))
    nearest, squared = np.full(len(stale), -1), np.full(len(stale), np.inf)
    while True:
        for start in range(0, len(stale), ROWS_AT_ONCE):  # of these groups, the nearest one is not known
            rows = stale[start : start + ROWS_AT_ONCE]
            nearest[rows], squared[rows] = groups.nearest(rows)
        own = np.arange(len(nearest))
        is_pair = (squared <= limit) & (nearest[nearest] == own) & (own < nearest)
        into, gone = own[is_pair], nearest[is_pair]
        if not len(into):
            break
        parent[groups.faces[gone]] = groups.faces[into]
        groups.join(into, gone)
        changed = np.isin(own, np.concatenate([into, gone]))
        target = own.copy()
        target[gone] = into
        stays = (squared <= limit) & (target == own)
        number = groups.keep(stays, target)
        stale = np.flatnonzero((changed | changed[nearest])[stays])
        nearest, squared = number[nearest[stays]], squared[stays]
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent


class _Groups:
    """The groups that can still be joined: means [n,128], variances [n] and sizes [n], and which must stay apart.

    `faces` is the first face of each; `people` as in `grouped`; `apart` are pairs of groups, in both orders.
    """

    def __init__(self, descriptors: NDArray[np.float32], people: Indices, apart: Indices) -> None:
        self.means = descriptors.astype(np.float64)
        self.variances, self.sizes = np.zeros(len(descriptors)), np.ones(len(descriptors))
        self.faces, self.people = np.arange(len(descriptors)), people
        self.apart = np.concatenate([apart, apart[:, ::-1]])
        self._means32, self._lengths = descriptors, np.square(self.means).sum(axis=1)

    def add_all(self, members: Indices) -> None:
        """Join several groups of one face each into the first of them."""
        means = self.means[members]
        mean = means.mean(axis=0)
        self.means[members[0]], self.sizes[members[0]] = mean, len(members)
        self.variances[members[0]] = np.square(means - mean).sum() / len(members)

    def join(self, into: Indices, gone: Indices) -> None:
        a, b = self.sizes[into], self.sizes[gone]
        n = a + b
        between = np.square(self.means[into] - self.means[gone]).sum(axis=1)
        self.variances[into] = (a * self.variances[into] + b * self.variances[gone]) / n + a * b / n**2 * between
        self.means[into] = (a[:, np.newaxis] * self.means[into] + b[:, np.newaxis] * self.means[gone]) / n[:, np.newaxis]
        self.sizes[into] = n
        self.people = self.people.copy()
        self.people[into] = np.maximum(self.people[into], self.people[gone])

    def keep(self, stays: NDArray[np.bool_], target: Indices) -> Indices:
        """Keep these groups only; what was said of another holds for its target.  Returns the new number of each group, or -1."""
        number = np.where(stays, np.cumsum(stays) - 1, -1)
        self.means, self.variances, self.sizes = self.means[stays], self.variances[stays], self.sizes[stays]
        self.faces, self.people = self.faces[stays], self.people[stays]
        apart = number[target[self.apart]]
        self.apart = np.unique(apart[(apart >= 0).all(axis=1) & (apart[:, 0] != apart[:, 1])], axis=0).reshape(-1, 2)
        self._means32, self._lengths = self.means.astype(np.float32), np.square(self.means).sum(axis=1) + self.variances
        return number

    def nearest(self, rows: Indices) -> tuple[Indices, Floats]:
        """The nearest group of each of these, the first of several, and the squared distance: in float32, then exactly."""
        slack = ROUNDING * self._lengths.max()
        twice = -2 * self._means32[rows]
        least = np.full(len(rows), np.inf)
        found: list[tuple[Indices, Indices, NDArray[np.float32]]] = []
        for start in range(0, len(self.faces), COLUMNS_AT_ONCE):
            block = slice(start, start + COLUMNS_AT_ONCE)
            squared: Any = twice @ self._means32[block].T
            squared += self._lengths[block].astype(np.float32)
            self._exclude(squared, rows, start)
            least = np.minimum(least, squared.min(axis=1))
            row, column = np.divmod(np.flatnonzero(squared <= (least + slack)[:, np.newaxis]), squared.shape[1])
            found.append((row, column + start, squared[row, column]))
        row, other, rough = (np.concatenate(parts) for parts in zip(*found, strict=True))
        near = (rough <= least[row] + slack) & np.isfinite(rough)
        row, other = row[near], other[near]
        between = np.square(self.means[rows[row]] - self.means[other]).sum(axis=1)
        squared = between + (self.variances[rows[row]] + self.variances[other])
        order = np.lexsort((other, squared, row))
        at, first = np.unique(row[order], return_index=True)
        nearest, distances = np.zeros(len(rows), np.intp), np.full(len(rows), np.inf)
        nearest[at], distances[at] = other[order][first], squared[order][first]
        return nearest, distances

    def _exclude(self, squared: NDArray[np.float32], rows: Indices, start: int) -> None:
        """Make the distances to oneself and to groups that stay apart infinite."""
        end = start + squared.shape[1]
        inside = np.flatnonzero((rows >= start) & (rows < end))
        squared[inside, rows[inside] - start] = np.inf
        known = self.people >= 0
        if known.any():
            squared[np.ix_(known[rows], known[start:end])] = np.inf
        if len(self.apart):
            pairs = self.apart[np.isin(self.apart[:, 0], rows) & (self.apart[:, 1] >= start) & (self.apart[:, 1] < end)]
            squared[np.searchsorted(rows, pairs[:, 0]), pairs[:, 1] - start] = np.inf
