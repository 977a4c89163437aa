"""How far each network is from the float64 reference, on our backend and on a peer."""

from __future__ import annotations

from collections.abc import Iterable

from npfaceapi.benchmark.entries import Entry, accuracy_inputs
from npfaceapi.benchmark.networks import relative_error
from npfaceapi.benchmark.peers import ours, peer
from npfaceapi.benchmark.section import Section

__all__ = ["accuracy_section"]


def accuracy_section(entries: Iterable[Entry], backend: str, against: str | None) -> Section:
    """The largest error over five inputs, each relative to its largest output, per network."""
    section = Section(
        "Accuracy",
        "The largest error from the float64 reference over five inputs (a portrait, its face, both turned over, noise), each by "
        "its largest output.",
        ["network", "input", backend, *([against, "ratio"] if against else [])],
    )
    for entry in entries:
        net, graph = entry.net, entry.net.graph(entry.height, entry.width)
        runners = [ours(net, backend)] + ([peer(against, net, graph, 1)] if against else [])
        worst = [0.0] * len(runners)
        for batch in accuracy_inputs(entry):
            truth = list(net.run_net(batch, backend="reference64").values())
            for i, runner in enumerate(runners):
                worst[i] = max(worst[i], relative_error(runner.outputs(runner.call(runner.feed(batch))), truth))
        row = [entry.name, entry.shape(), *(f"{error:.1e}" for error in worst)]
        section.rows.append([*row, f"{worst[0] / worst[1]:.1f}"] if against else row)
        section.records.append(
            {
                "net": entry.name,
                "input": entry.shape(),
                "error": worst[0],
                "peer": against,
                "peer_error": worst[1] if against else None,
            }
        )
    return section
