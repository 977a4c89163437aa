"""`npfaceapi bench`: time, accuracy and memory on this machine, compared with other engines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from npfaceapi._version import __version__
from npfaceapi.commands.options import IN_USE, add_overwrite, add_shared, name_among, size, tell_old_spelling, weights_read
from npfaceapi.commands.photos import chosen_backend, with_progress
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import InvalidArgument
from npfaceapi.networks.registry import all_names, listed
from npfaceapi.output_files import Output, check_outputs, is_json, is_text_with, write_whole

if TYPE_CHECKING:
    from npfaceapi.benchmark.section import Section

__all__ = ["add_arguments", "run"]

ALL_THREADS, ALL_BATCH = (1, 2), 16  # what --all measures


def _from_one_up(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0 and at most 600, got {text!r}")
    return value


def _net(text: str) -> str:
    """A network name; for one more release also NET@SIZE, the spelling before --size."""
    name, at, sides = text.partition("@")
    return f"{name_among(all_names())(name)}{at}{sides}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    own = f"one of {listed(all_names())}; may be repeated; default: all that have weights"
    add_shared(parser, "--net", own, type=_net, action="append", default=[])
    add_shared(parser, "--size", "with --net; default: its own", type=size)
    parser.add_argument(
        "--threads", type=_from_one_up, metavar="N", help="threads of each engine (default: all available processors)"
    )
    parser.add_argument(
        "--against",
        choices=("best", "onnxruntime", "openvino", "torch", "none"),
        help="the other engine; best: the fastest of those installed (default: onnxruntime where it is installed, else none)",
    )
    add_shared(parser, "--backend", IN_USE)
    parser.add_argument("--batch", type=_from_one_up, metavar="N", help="run the networks that take faces on batches of N")
    parser.add_argument("--chain", action="store_true", help="time the whole chain on a photo of 3 faces, and its networks alone")
    parser.add_argument(
        "--cold-start", action="store_true", help="in fresh processes: seconds to the first result, and seconds of compiling"
    )
    parser.add_argument("--memory", action="store_true", help="measure the chain's peak memory in a fresh process")
    parser.add_argument("--accuracy", action="store_true", help="measure errors against the float64 reference")
    parser.add_argument(
        "--roofline", action="store_true", help="compare the networks with the peak of one core and the bandwidth of its caches"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"measure all of these, with {' and '.join(map(str, ALL_THREADS))} threads"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=1.5, metavar="S", help="seconds for each network and engine (default: 1.5)"
    )
    parser.add_argument("--runs", type=_from_one_up, default=1, metavar="N", help="repeat the timing N times and report medians")
    add_shared(parser, "--json", "a list of figures")
    add_overwrite(parser)
    parser.add_argument("--markdown", metavar="FILE", help="write the tables, with machine and versions, as a Markdown page")


def run(arguments: argparse.Namespace) -> int:
    outputs = [("--json", arguments.json, is_json()), ("--markdown", arguments.markdown, is_text_with("Made by `npfaceapi "))]
    check_outputs(
        [Output(*output) for output in outputs if output[1] is not None], weights_read(arguments), overwrite=arguments.overwrite
    )
    arguments.net = _nets_with_sizes(arguments)
    sections = []
    with chosen_backend(arguments.backend):
        for section in _sections(arguments):
            sections.append(section)
            if arguments.json != "-":
                print(_as_text(section), flush=True)
    records = json.dumps([{"npfaceapi": __version__} | r for section in sections for r in section.records], indent=1)
    if arguments.json == "-":
        print(records)
    elif arguments.json is not None:
        write_whole(arguments.json, f"{records}\n")
    if arguments.markdown is not None:
        write_whole(arguments.markdown, _as_markdown(sections))
    return 0


def _nets_with_sizes(arguments: argparse.Namespace) -> list[str]:
    """The networks as `chosen_entries` takes them; a network given as NET@SIZE keeps its size."""
    if arguments.size and not arguments.net:
        raise InvalidArgument("expected --net with --size, got --size alone")
    for net in arguments.net:
        name, at, sides = net.partition("@")
        if at:
            tell_old_spelling("npfaceapi bench", f"--net {net}", f"--net {name} --size {sides}")
            break
    size = "@{}x{}".format(*arguments.size) if arguments.size else ""
    return [net if "@" in net else f"{net}{size}" for net in arguments.net]


def _sections(arguments: argparse.Namespace) -> Iterator[Section]:
    """Run the measurements that the arguments ask for, one after the other."""
    from npfaceapi.benchmark.peers import available_peers
    from npfaceapi.engines.dispatch import current_backend
    from npfaceapi.engines.thread_count import get_num_threads

    backend, installed = current_backend(), available_peers()
    if backend == "cuda":
        yield from _on_gpu(arguments, installed)
        return
    if arguments.roofline and backend != "numba":
        raise InvalidArgument(f"expected the numba backend with --roofline, got {backend}")
    if arguments.roofline and arguments.threads not in (None, 1):
        raise InvalidArgument(f"expected --threads 1 with --roofline, got {arguments.threads}")
    default = "onnxruntime" if "onnxruntime" in installed else "none"
    against = arguments.against or default
    peers = installed if against == "best" else [] if against == "none" else [against]
    threads = arguments.threads or get_num_threads()
    timed = _Networks(arguments, backend, against, peers)
    if arguments.all:
        yield from _everything(
            timed, backend, {each: [each] for each in installed} if arguments.against is None else {against: peers}
        )
        return
    asked = False
    for wanted, measure in _questions(arguments, timed, backend, peers, threads):
        if wanted:
            asked = True
            yield measure()
    if not asked:
        yield timed(threads)


def _on_gpu(arguments: argparse.Namespace, installed: list[str]) -> Iterator[Section]:
    from npfaceapi.benchmark.chain import chain_section
    from npfaceapi.benchmark.entries import chosen_entries
    from npfaceapi.benchmark.gpu import BATCHES, measure_on_gpu
    from npfaceapi.engines.cuda.availability import is_simulated
    from npfaceapi.engines.thread_count import get_num_threads
    from npfaceapi.errors import BackendUnavailable

    others = ("cold_start", "memory", "accuracy", "roofline", "all")
    if arguments.against in ("best", "onnxruntime", "openvino") or any(getattr(arguments, name) for name in others):
        expected = "--net, --size, --batch, --chain, --seconds and --against torch or none"
        raise InvalidArgument(f"expected {expected} with the cuda backend, got other options")
    if is_simulated():
        raise BackendUnavailable("expected a GPU, got the CUDA simulator, whose times are meaningless")
    if arguments.chain:
        threads = arguments.threads or get_num_threads()
        yield _named(chain_section("cuda", threads, arguments.seconds), "--backend cuda --chain")
        if not arguments.net and not arguments.batch:
            return
    against = arguments.against or ("torch" if "torch" in installed else "none")
    batches = (arguments.batch,) if arguments.batch else BATCHES
    entries = chosen_entries(arguments.net)
    shown = with_progress([f"{e.name} {e.height}x{e.width}, {', '.join(map(str, batches))} at once" for e in entries])
    one_by_one = (entry for entry, _ in zip(entries, shown, strict=True))
    for section in measure_on_gpu(one_by_one, batches, None if against == "none" else against, arguments.seconds):
        size = section.records[0]["input"].partition("x")[0]
        yield _named(section, f"--backend cuda --batch {size} --against {against}")


def _questions(
    arguments: argparse.Namespace, timed: _Networks, backend: str, peers: list[str], threads: int
) -> list[tuple[bool, Callable[[], Section]]]:
    from npfaceapi.benchmark.accuracy import accuracy_section
    from npfaceapi.benchmark.chain import chain_section
    from npfaceapi.benchmark.processes import cold_start_section, memory_section

    first = peers[0] if peers else None
    return [
        (arguments.batch is not None, lambda: timed(threads, batch=arguments.batch)),
        (arguments.chain, lambda: _named(chain_section(backend, threads, arguments.seconds), f"--chain --threads {threads}")),
        (arguments.cold_start, lambda: _named(cold_start_section(backend), "--cold-start")),
        (arguments.memory, lambda: _named(memory_section(backend, threads), f"--memory --threads {threads}")),
        (
            arguments.accuracy,
            lambda: _named(accuracy_section(timed.entries(), backend, first), "--accuracy"),
        ),
        (arguments.roofline, lambda: _roofline(timed.entries(), arguments.seconds)),
    ]


def _roofline(entries: list[Any], seconds: float) -> Section:
    from npfaceapi.benchmark.roofline import roofline_section

    return _named(roofline_section(entries, seconds), "--roofline")


def _everything(timed: _Networks, backend: str, rivals: dict[str, list[str]]) -> Iterator[Section]:
    from npfaceapi.benchmark.accuracy import accuracy_section
    from npfaceapi.benchmark.chain import chain_section
    from npfaceapi.benchmark.processes import cold_start_section, memory_section

    rivals = rivals or {"none": []}
    for timed.against, timed.peers in rivals.items():
        for threads in ALL_THREADS:
            yield timed(threads)
    timed.against, timed.peers = next(iter(rivals.items()))
    first = timed.peers[0] if timed.peers else None
    yield timed(ALL_THREADS[-1], batch=ALL_BATCH)
    for threads in ALL_THREADS:
        yield _named(chain_section(backend, threads), f"--chain --threads {threads}")
    yield _named(accuracy_section(timed.entries(), backend, first), "--accuracy")
    if backend == "numba":
        yield _roofline(timed.entries(), timed.seconds)
    yield _named(cold_start_section(backend), "--cold-start")
    yield _named(memory_section(backend, ALL_THREADS[-1]), f"--memory --threads {ALL_THREADS[-1]}")


class _Networks:
    """Times the chosen networks; on a terminal, shows which one is being timed."""

    def __init__(self, arguments: argparse.Namespace, backend: str, against: str, peers: list[str]) -> None:
        self._names, self.seconds, self._runs = arguments.net, arguments.seconds, arguments.runs
        self.backend, self.against, self.peers = backend, against, peers

    def entries(self, default: tuple[str, ...] = ()) -> list[Any]:
        from npfaceapi.benchmark.entries import chosen_entries

        return chosen_entries(self._names or default)

    def __call__(self, threads: int, batch: int = 1) -> Section:
        from npfaceapi.benchmark.entries import FACE_NETS
        from npfaceapi.benchmark.networks import measure_networks, medians_of_runs, networks_section

        entries = self.entries(FACE_NETS if batch > 1 else ())
        runs = []
        for _ in range(self._runs):
            shown = with_progress([f"{e.name} {e.shape(batch)}, {threads} threads" for e in entries])
            one_by_one = (entry for entry, _ in zip(entries, shown, strict=True))
            runs.append(
                measure_networks(
                    one_by_one, backend=self.backend, peers=self.peers, threads=threads, batch=batch, seconds=self.seconds
                )
            )
        options = f"--threads {threads}" + (f" --batch {batch}" if batch > 1 else "") + f" --against {self.against}"
        options += f" --runs {self._runs}" if self._runs > 1 else ""
        return _named(networks_section(medians_of_runs(runs), self.backend, batch), options)


def _named(section: Section, options: str) -> Section:
    section.command = f"npfaceapi bench {options}"
    return section


def _as_text(section: Section) -> str:
    table = format_table(section.header, section.rows, right=range(1, len(section.header)), indent="  ")
    return "\n".join([section.title, table, *(f"  {line}" for line in section.summary), ""])


def _as_markdown(sections: list[Section]) -> str:
    from npfaceapi.benchmark.machine import machine_lines

    command = "npfaceapi " + " ".join(sys.argv[1:])
    head = ["# Benchmarks", "", f"Made by `{command}`; every figure is of this machine, in this run:", ""]
    return "\n".join([*head, *(f"- {line}" for line in machine_lines()), "", *(section.markdown() for section in sections)])
