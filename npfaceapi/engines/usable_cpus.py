"""How many CPUs this process may use: its affinity, and the limit of its container (a control group of Linux, version 1 or 2)."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["control_group_limit", "usable_cpus"]


@functools.cache
def usable_cpus() -> int:
    """At least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = control_group_limit(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, math.ceil(min(count, limit)))


if hasattr(os, "register_at_fork"):  # a worker's affinity can be another
    os.register_at_fork(after_in_child=usable_cpus.cache_clear)


def control_group_limit(root: Path, own: Path) -> float:
    """CPUs' worth of time that the control groups of this process get, infinity if there is no limit.

    Parameters
    ----------
    root : Path
        Where the control groups are mounted.
    own : Path
        Lines `number:controllers:path`, the groups that this process is in; version 2 has no controllers.

    Notes
    -----
    The smallest limit on the way up counts.  Inside of a container the path may be that of the host, which is not there;
    then the container's own group is what stands at the root.
    """
    try:
        lines = own.read_text("utf-8", "replace").splitlines()
    except OSError:
        return math.inf
    return min((limit for folder in _folders(root, lines) for limit in _limits(folder)), default=math.inf)


def _folders(root: Path, lines: list[str]) -> Iterator[Path]:
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        for mount in ("cpu", controllers) if controllers else ("", "unified"):
            for part in (group, *group.parents):
                yield root / mount / part


def _limits(folder: Path) -> Iterator[float]:
    """Of one group: `cpu.max` holds "quota period" or "max period" (version 2), two files the same (version 1; -1: no limit)."""
    numbers = _numbers(folder / "cpu.max") or [*_numbers(folder / "cpu.cfs_quota_us"), *_numbers(folder / "cpu.cfs_period_us")]
    if len(numbers) == 2 and min(numbers) > 0:
        yield numbers[0] / numbers[1]


def _numbers(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_text("ascii").split()]
    except (OSError, ValueError):  # no such file; "max"
        return []
