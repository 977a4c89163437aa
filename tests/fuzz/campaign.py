"""Runs all targets for a given time, and stores findings with their inputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


@dataclass
class Figures:
    """The figures of one target."""

    target: str
    tried: int = 0
    accepted: int = 0
    slowest: float = 0.0
    peak_mb: float = 0.0
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        refused = self.tried - self.accepted - len(self.findings)
        return (
            f"{self.target}: {self.tried:,} tried, {self.accepted:,} accepted, {refused:,} "
            f"refused, {len(self.findings)} findings; slowest {self.slowest:.2f} s, peak {self.peak_mb:,.0f} MB"
        )


def try_inputs(name: str, seed: int, count: int, seconds: float, kept: Path | None = None) -> Figures:
    """Run inputs `seed` to `seed + count` of a target in a separate process."""
    figures = Figures(name)
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "current"
        command = [sys.executable, "-m", "tests.fuzz.worker", name, str(seed), str(count), str(seconds), str(current)]
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
        try:
            done = subprocess.run(
                command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=seconds + 120,
                check=False,
            )  # fmt: skip
            how = f"ended with {done.returncode}: {done.stderr[-2000:]}"
            report = json.loads(done.stdout) if done.returncode == 0 else None
        except subprocess.TimeoutExpired:
            how, report = "hung", None
        if report is None:
            figures.tried = 1
            figures.findings.append(f"{name}, from {seed} on: the process {how}")
            if kept is not None and current.exists():
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{name}-{seed}-died").write_bytes(current.read_bytes())
            return figures
    figures.tried, figures.accepted, figures.slowest = report["tried"], report["accepted"], report["slowest"]
    figures.peak_mb = report.get("peak_mb", 0.0)
    figures.findings = [f"{name}, {finding['seed']}: {finding['error']}" for finding in report["findings"]]
    return figures


def run(minutes: float, names: list[str], seed: int, kept: Path) -> int:
    """Run the campaign; returns the number of findings."""
    share = minutes * 60 / len(names)
    found = 0
    for name in names:
        whole = Figures(name)
        left, at = share, seed
        while left > 1:
            part = try_inputs(name, at, 100_000, min(left, 60), kept)
            at, left = at + max(part.tried, 1), left - 60
            whole.tried += part.tried
            whole.accepted += part.accepted
            whole.slowest, whole.peak_mb = max(whole.slowest, part.slowest), max(whole.peak_mb, part.peak_mb)
            whole.findings += part.findings
        print(whole.line(), flush=True)
        for finding in whole.findings:
            print(finding, flush=True)
        found += len(whole.findings)
    return found


def guided(name: str, arguments: list[str]) -> None:
    """Run one target with coverage guidance; does not return."""
    import atheris

    with atheris.instrument_imports(include=["npfaceapi"]):
        import npfaceapi  # noqa: F401

    folder = tempfile.mkdtemp()
    target = TARGETS[name](Path(folder))
    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(data)
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], lambda data: target.accepts(bytes(data)) and None)
    atheris.Fuzz()
