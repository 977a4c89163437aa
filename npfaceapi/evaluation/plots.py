"""SVG plots made with matplotlib (extra `[evaluate]`), readable in print and for colour-blind readers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import BackendUnavailable, InvalidArgument
from npfaceapi.output_files import write_whole

__all__ = ["CREATOR", "check_plots", "plot_confusion", "plot_distances", "plot_lines", "plot_roc"]

#: Okabe and Ito's colours, each with its own dash pattern.
STYLES = (
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#56B4E9", (0, (5, 1))),
    ("#E69F00", (0, (1, 1))),
)
CREATOR = "npfaceapi"  # metadata of each plot
STEPS = 1000  # resolution of a curve along either axis
Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def check_plots() -> None:
    """Raise `BackendUnavailable` if matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise BackendUnavailable('plots: expected the package matplotlib, got none installed; pip install "npfaceapi[evaluate]"')


@contextlib.contextmanager
def _figure(path: Path, width: float = 5.0, height: float = 4.0) -> Iterator[Any]:
    """The axes of a plot, which is written when the block ends; the same data give the same bytes."""
    check_plots()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "npfaceapi", "svg.fonttype": "none", "font.size": 10}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a character that the font lacks
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        yield axes
        text = io.BytesIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": CREATOR})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"plots {path.parent}: expected a folder to write to, got: {error.strerror or error}") from None
    write_whole(path, text.getvalue())


def plot_lines(path: Path, lines: Mapping[str, Line], x: str, y: str, title: str, **more: Any) -> None:
    """Named lines, each of x and y; `more` are properties of the axes, such as xlim."""
    with _figure(path) as axes:
        for (name, (xs, ys)), (colour, dash) in zip(lines.items(), _styles(len(lines)), strict=True):
            keep = _visible(xs, ys)
            axes.plot(xs[keep], ys[keep], color=colour, linestyle=dash, label=name)
        axes.set(xlabel=x, ylabel=y, title=title, **more)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def plot_roc(path: Path, curves: Mapping[str, Line], title: str) -> None:
    """Curves of FMR (on a logarithmic axis) and 1 - FNMR."""
    with _figure(path) as axes:
        for (name, (fmr, tmr)), (colour, dash) in zip(curves.items(), _styles(len(curves)), strict=True):
            keep = _visible(np.log10(np.maximum(fmr, 1e-5)), tmr)
            axes.step(np.maximum(fmr[keep], 1e-5), tmr[keep], where="post", color=colour, linestyle=dash, label=name)
        lowest = min((float(fmr[fmr > 0].min()) for fmr, _ in curves.values() if (fmr > 0).any()), default=1e-3)
        floor = min((float(tmr[fmr >= lowest].min()) for fmr, tmr in curves.values() if (fmr >= lowest).any()), default=0.0)
        axes.set(
            xscale="log", xlim=(lowest, 1), ylim=(max(0.0, floor - 0.02), 1.002), title=title,
            xlabel="false match rate (FMR)", ylabel="true match rate (1 - FNMR)",
        )  # fmt: skip
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False, loc="lower right")


def plot_distances(
    path: Path, same: NDArray[np.float64], different: NDArray[np.float64], thresholds: Mapping[str, float], title: str
) -> None:
    """Two histograms of distances, and thresholds as lines."""
    with _figure(path) as axes:
        bins = np.linspace(0, 1.4, 71)
        for values, name, (colour, dash) in ((same, "one person", STYLES[0]), (different, "two people", STYLES[1])):
            finite = values[np.isfinite(values)]
            weights = np.full(len(finite), 1 / max(1, len(values)))
            axes.hist(finite, bins, weights=weights, color=colour, alpha=0.25)
            axes.hist(finite, bins, weights=weights, histtype="step", color=colour, linestyle=dash, label=name)
        for (name, value), (_, dash) in zip(thresholds.items(), _styles(len(thresholds)), strict=True):
            axes.axvline(value, color="black", linestyle=dash, linewidth=1, label=f"{name}: {value:.3f}")
        axes.set(xlabel="distance of descriptors", ylabel="share of pairs", title=title, xlim=(0, 1.4))
        axes.set_ylim(0, 1.45 * axes.get_ylim()[1])  # room for the legend above the bars
        axes.legend(loc="upper left")


def plot_confusion(path: Path, counts: NDArray[np.int_], labels: Sequence[str], title: str) -> None:
    """A confusion matrix: a row for each true label, the share and the count in each cell."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    with _figure(path, 6, 5) as axes:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                column,
                row,
                f"{shares[row, column]:.0%}\n{counts[row, column]}",
                ha="center",
                va="center",
                color=colour,
                fontsize=7,
            )
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="said", ylabel="true", title=title)


def _visible(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """The points of a curve without those that coincide with the previous one at the plot's resolution."""
    place = (
        np.stack([np.round((v - v.min()) / max(float(np.ptp(v)), 1e-12) * STEPS) for v in (x, y)]) if len(x) else np.zeros((2, 0))
    )
    return np.flatnonzero(np.append(True, (np.diff(place) != 0).any(axis=0))[: len(x)])


def _styles(count: int) -> Sequence[tuple[str, Any]]:
    return [STYLES[i % len(STYLES)] for i in range(count)]
