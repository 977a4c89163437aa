"""The report as one self-contained HTML page: no network, no script, plots as inline SVG."""

from __future__ import annotations

import math
from html import escape

from npfaceapi._version import __version__
from npfaceapi.conformance.judge import Finding
from npfaceapi.conformance.report import (
    STATUSES,
    CaseResult,
    Report,
    case_lines,
    groups_of,
    look_at_first,
    own_errors_text,
    summary_rows,
)
from npfaceapi.output_files import generator

__all__ = ["to_html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #ffffff; --soft: #56616d; --line: #cfd6dd; --good: #0b6b3a;
  --bad: #a3121f; --warm: #7a4b00; --wash: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --paper: #14181d; --soft: #a3adb8; --line: #3a444f;
  --good: #6fd19b; --bad: #ff8a8f; --warm: #f0bd6b; --wash: #1d232a; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; padding: 1.5rem;
  max-width: 70rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
.passed, .xfailed { color: var(--good); }
.failed { color: var(--bad); }
.xpassed, .ambiguous { color: var(--warm); }
.verdict { font-size: 1.1rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
details { border-top: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.box { background: var(--wash); padding: .75rem 1rem; border-left: 4px solid var(--bad); margin: .75rem 0;
  overflow-wrap: anywhere; }
svg { width: 100%; height: auto; max-width: 60rem; display: block; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
"""


def to_html(report: Report) -> str:
    """The whole page."""
    counts = report.counts
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status]) or "no case"
    verdict = "Passed" if report.passed else "Not passed"
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            generator("conform"),
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Conformance of {escape(report.port)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>Conformance of {escape(report.port)}</h1>",
            f'<p class="verdict {"passed" if report.passed else "failed"}">{verdict}: {told}.</p>',
            f'<p class="soft">Against face-api.js 0.22.2 by npfaceapi {__version__}, grade {escape(report.grade)}: '
            f"{escape(report.admits)}. {escape(report.time)}.</p>",
            f'<p class="soft">{escape(report.grade_hint)}</p>' if report.grade_hint else "",
            _summary(report),
            _failures(report),
            _plots(report),
            _everything(report),
            "</body>\n</html>\n",
        )
    )


def _table(header: list[str], rows: list[list[str]], numbers: set[int]) -> str:
    """A table of HTML cells; columns in `numbers` are aligned to the right."""

    def cells(tag: str, row: list[str]) -> str:
        made = (f"<{tag}{' class=number' if i in numbers else ''}>{cell}</{tag}>" for i, cell in enumerate(row))
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f'<div class="scroll"><table><thead>{cells("th", header)}</thead><tbody>{body}</tbody></table></div>'


def _summary(report: Report) -> str:
    header = [
        "level",
        "cases",
        "passed",
        "failed",
        "expected to fail",
        "not claimed",
        "ambiguous faces",
        "largest error / bound",
        "in",
    ]
    rows = [[escape(str(cell)) for cell in row] for row in summary_rows(report)]
    missing = f'<p class="soft">{report.missing} more golden cases were not present.</p>' if report.missing else ""
    reason = f"<p>Not passed: {escape(report.reason)}.</p>" if report.reason else ""
    return f"<h2>What was run</h2>{_table(header, rows, set(range(1, 8)))}{reason}{missing}"


def _failures(report: Report) -> str:
    failed = [result for result in report.results if result.status in ("failed", "xpassed")]
    if not failed:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in look_at_first(report))
    parts = ["<h2>What failed</h2>", f"<p>What to look at first:</p><ul>{items}</ul>" if items else ""]
    for result in failed:
        lines = (line.partition(": ") for line in case_lines(result))
        told = "".join(f"<p>{escape(what)}{colon}<strong>{escape(rest)}</strong></p>" for what, colon, rest in lines)
        head = f'<h3 class="{result.status}">{escape(result.name)}</h3>'
        parts.append(f'<div class="box">{head}<p>{escape(result.problem)}</p>{told}{_details(result)}</div>')
    return "".join(parts)


def _details(result: CaseResult) -> str:
    return f'<pre class="scroll">{escape(result.details)}</pre>' if result.details else ""


def _plots(report: Report) -> str:
    drawn = [_plot(result) for result in report.results if result.level == "taps" and result.findings]
    return f"<h2>Error per layer</h2>{''.join(drawn)}" if drawn else ""


_WIDTH, _HEIGHT, _LEFT, _TOP = 800, 190, 60, 14
_BELOW = _HEIGHT - 26
_LOW = -4  # exponent of the lowest error / bound that is drawn
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LABELLED = 8  # layers with room for their names


def _plot(result: CaseResult) -> str:
    """One column per layer, in the order of execution: error in units of its bound, on a logarithmic scale."""
    findings = [finding for finding in result.findings if finding.kind == "stage"]
    if not findings:
        return ""
    worst = max(findings, key=lambda finding: finding.ratio)
    own = {layer.name: layer.own for layer in result.layers if layer.own is not None}
    largest = max(worst.ratio, 1.0, *own.values())
    high = max(4, 2 * math.ceil(math.log10(min(largest, 1e12)) / 2))  # exponent of the top of the plot; even
    step = (_WIDTH - _LEFT - 10) / len(findings)
    bars = []
    for i, finding in enumerate(findings):
        ratio = finding.ratio if finding.is_compared else math.inf
        top, colour = _height(ratio, high), "bad" if finding.problem else "good"
        x, width = _LEFT + i * step + 1, max(step - 2, 1)
        place = f'x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(_BELOW - top, 1):.1f}"'
        bars.append(f'<rect {place} fill="var(--{colour})"><title>{escape(f"{finding.name}: {_ratio(finding)}")}</title></rect>')
        if finding.name in own:
            bars.append(_line(own[finding.name], high, "ink", ' stroke-width="3"', x, x + width))
    powers = range(_LOW, high + 1, 2)
    lines = "".join(_line(10.0**p, high, "line") for p in powers)
    labels = "".join(
        f'<text x="{_LEFT - 6}" y="{_height(10.0**p, high) + 4:.1f}" text-anchor="end">{_power(p)}</text>' for p in powers
    )
    label = f"Error of each of {len(findings)} layers in units of its bound; the largest is {worst.ratio:.3g} in {worst.name}"
    limit = _line(1, high, "bad", ' stroke-dasharray="4 3"')
    drawing = f"{lines}{labels}{''.join(bars)}{limit}{_names([finding.name for finding in findings], step)}"
    dashes = " Short lines are the errors that a layer adds by itself." if own else ""
    return (
        f'<h3 class="{result.status}">{escape(result.name)}</h3>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">{drawing}</svg>'
        f'<p class="soft">Logarithmic scale; the dashed line is the bound. {escape(label)}.{dashes}</p>{_layer_table(result)}'
    )


def _names(names: list[str], step: float) -> str:
    """The names of the layers below their columns; only the first and last if there are many."""
    if len(names) <= _LABELLED:
        places = [(name, _LEFT + (i + 0.5) * step, "middle") for i, name in enumerate(names)]
    else:
        places = [(names[0], _LEFT, "start"), (names[-1], _WIDTH - 10, "end")]
    return "".join(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{at}">{escape(name)}</text>' for name, x, at in places)


def _layer_table(result: CaseResult) -> str:
    if not result.layers:
        return ""
    header = ["layer", "largest error / bound", "95 %", "median", "by itself"]
    rows = [
        [f"<code>{escape(layer.name)}</code>", *(f"{value:.3g}" for value in (layer.largest, layer.high, layer.median)),
         "" if layer.own is None else f"{layer.own:.3g}"]
        for layer in result.layers
    ]  # fmt: skip
    head = escape(own_errors_text(result)) if result.largest_own is not None else "Distribution of the errors"
    return f"<details><summary>{head}</summary>{_table(header, rows, {1, 2, 3, 4})}</details>"


def _height(ratio: float, high: int) -> float:
    power = math.log10(min(max(ratio, 10.0**_LOW), 10.0**high))
    return _BELOW - (power - _LOW) / (high - _LOW) * (_BELOW - _TOP)


def _line(ratio: float, high: int, colour: str, more: str = "", left: float = _LEFT, right: float = _WIDTH - 10) -> str:
    y = _height(ratio, high)
    return f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--{colour})"{more}/>'


def _power(power: int) -> str:
    return "1" if power == 0 else f"10{str(power).translate(_SUPERSCRIPTS)}"


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _ratio(finding: Finding) -> str:
    return f"{finding.ratio:.3g} bounds" if finding.is_compared else finding.problem


def _everything(report: Report) -> str:
    parts = ["<h2>Every case</h2>"]
    for level, group in groups_of(report).items():
        parts.append(f"<h3>{escape(level)}</h3>")
        parts += [_case(result) for result in group]
    return "".join(parts)


def _case(result: CaseResult) -> str:
    worst = result.worst
    told = f", largest error {worst.ratio:.3g} bounds" if worst is not None and result.status == "passed" else ""
    head = f'<span class="{result.status}">{escape(result.status)}</span> {escape(result.name)}{told}'
    rows = [
        [
            f"<code>{escape(f.name)}</code>", escape(f.kind),
            *(f"{number:.3g}" if f.is_compared else "" for number in (f.ratio, f.error, f.bound)),
            escape(", ".join(map(str, f.index))), _value(f.got), _value(f.want), escape(f.problem),
        ]
        for f in result.findings
    ]  # fmt: skip
    header = ["answer", "kind", "error / bound", "error", "bound", "at", "port", "expected", "problem"]
    faces = "".join(
        f'<p class="ambiguous">Face {face} is ambiguous: {escape(reason)}</p>'
        for face, reason in sorted(result.ambiguous.items())
    )
    problem = f"<p>{escape(result.problem)}</p>" if result.problem else ""
    table = _table(header, rows, {2, 3, 4, 6, 7}) if rows else ""
    return f"<details><summary>{head}</summary>{problem}{faces}{table}</details>"
