"""Each option has one meaning in all commands, networks have the same names, and old spellings work with a notice."""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict

import pytest

from helpers import ASTRONAUT, ROOT
from npfaceapi import cli
from npfaceapi.benchmark import networks
from npfaceapi.benchmark.entries import ENTRIES, UNBUNDLED
from npfaceapi.benchmark.section import Section
from npfaceapi.commands import bench, export
from npfaceapi.commands.options import name_among
from npfaceapi.networks.registry import DETECTORS, NETS, all_names

SHORT = {net.called: name for name, net in DETECTORS.items()}
RELU = "operations/relu/1"


def parsers(parser, name=""):
    """The parser of each command, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for end, inner in action.choices.items():
                yield from parsers(inner, f"{name} {end}".strip())
    yield name, parser


COMMANDS = {name: parser for name, parser in parsers(cli._parser()) if name not in ("", "conform")}


def options():
    """(command, its options), without those hidden from --help."""
    for command, parser in COMMANDS.items():
        for action in parser._actions:
            if action.help != argparse.SUPPRESS:
                yield command, action


def meaning(action):
    """An option's meaning: its help up to the part specific to the command, and its value's name."""
    kind = action.type
    if kind in (bench._net, export._net_or_index):  # also take the old NET@SIZE, or an index
        kind = name_among(())
    return action.dest, action.metavar, action.nargs == 0, getattr(kind, "__qualname__", None), action.help.partition(" (")[0]


def test_every_command_is_seen():
    assert {name.partition(" ")[0] for name in COMMANDS} == set(cli._COMMANDS)
    assert {"conform inputs", "conform check", "conform run"} < set(COMMANDS)


def test_an_option_means_one_thing_in_all_commands():
    meanings = defaultdict(lambda: defaultdict(list))
    for command, action in options():
        for option in action.option_strings:
            meanings[option][meaning(action)].append(command)
    several = {option: dict(found) for option, found in meanings.items() if len(found) > 1}
    assert several == {}
    takers = {option: [command for commands in found.values() for command in commands] for option, found in meanings.items()}
    assert takers["--only"] == ["analyze"]
    assert takers["--all"] == takers["--roofline"] == ["bench"]
    assert takers["--net"] == ["inspect", "bench"]
    assert takers["--size"] == ["show", "plan", "export", "bench"]
    assert takers["--case"] == takers["--golden"] == ["verify", *(f"conform {c}" for c in ("inputs", "check", "run", "fuzz"))]
    assert takers["--verbose"] == ["verify", *(f"conform {c}" for c in ("check", "run", "fuzz", "compare"))]


def test_what_stands_for_one_thing_has_one_name():
    """No two options have the same meaning, and values of the same name have the same type."""
    named, types = defaultdict(set), defaultdict(set)
    for _, action in options():
        if action.option_strings:
            named[action.help.partition(" (")[0]].add(action.option_strings[-1])
        if action.metavar in ("NET", "S|HxW", "GLOB", "PHOTO"):
            types[action.metavar].add(meaning(action)[3])
    assert {text: names for text, names in named.items() if len(names) > 1} == {}
    assert {len(found) for found in types.values()} == {1}


def test_positional_arguments_mean_one_thing_in_all_commands():
    meanings = defaultdict(set)
    for _, action in options():
        if not action.option_strings:
            meanings[action.metavar].add(action.help and action.help.partition(" (")[0])
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_every_option_says_what_it_means_and_no_help_begins_with_its_default():
    for command, action in options():
        if action.option_strings:
            assert action.help, (command, action.option_strings)
            assert not action.help.startswith(("default", "(")), (command, action.option_strings)


# ------------------------------------------------------------------ names of detectors and networks


def value(command, option, text):
    """The command's interpretation of a name."""
    (action,) = [action for name, action in options() if name == command and option in (action.dest, *action.option_strings)]
    return action.type(text)


@pytest.mark.parametrize("command", ["analyze", "anonymize", "match", "index", "evaluate", "calibrate", "inspect"])
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_detector_goes_by_both_its_names_in_every_command(command, detector):
    for name in (detector, DETECTORS[detector].called):
        assert value(command, "--detector", name) == detector
    for other in ("SSD", "tiny_yolov2_full", "mtcnn_pnet", "age_gender_net", "", "ss"):
        with pytest.raises(argparse.ArgumentTypeError) as error:
            value(command, "--detector", other)
        known = "ssd_mobilenetv1|ssd, tiny_face_detector|tiny, tiny_yolov2|yolo, mtcnn"
        assert str(error.value) == f"expected a detector out of {known}, got {other!r}"


TAKERS = {"show": "net", "plan": "net", "export": "net", "inspect": "--net", "bench": "--net"}
KNOWN = {**dict.fromkeys(("show", "plan", "export", "bench"), all_names()), "inspect": tuple(NETS)}


@pytest.mark.parametrize(("command", "option"), TAKERS.items())
def test_a_network_goes_by_the_same_names_in_every_command(command, option):
    assert set(KNOWN[command]) <= set(all_names())
    for name in KNOWN[command]:
        assert value(command, option, name) == name
    for short, name in SHORT.items():
        if name in KNOWN[command]:
            assert value(command, option, short) == name
    message = r"^expected a network out of ssd_mobilenetv1\|ssd, .*, got 'dog'(, which is no index either)?$"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        value(command, option, "dog")


def test_every_taker_of_a_name_is_seen():
    takers = {(name, a.dest) for name, a in options() if getattr(a.type, "__qualname__", "") == name_among(()).__qualname__}
    networks = {(command, "net") for command in TAKERS if command not in ("bench", "export")}  # these take something else, too
    detectors = ("analyze", "anonymize", "match", "index", "evaluate", "calibrate", "inspect")
    assert takers == {(command, "detector") for command in detectors} | networks


def test_bench_names_what_it_can_time():
    assert set(all_names()) == {entry.name for entry in (*ENTRIES, *UNBUNDLED)} | {"mtcnn"}


@pytest.mark.slow
def test_short_names_and_full_ones_give_the_same_output(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for short, name in SHORT.items():
        assert run("show", short) == run("show", name)
    assert run("show", "tiny")[1].startswith("tiny_face_detector: ")
    assert run("plan", "tiny")[1].startswith("tiny_face_detector: ")
    status, out, err = run("export", "tiny", "--format", "npz")
    assert (status, out.split(",")[0], err) == (0, "tiny_face_detector.npz: tiny_face_detector", "")
    found = [run("analyze", "--detector", name, "--only", "detection", ASTRONAUT) for name in ("tiny", "tiny_face_detector")]
    assert found[0] == found[1]
    status, _, err = run("inspect", ASTRONAUT, "--net", "mtcnn", "--detector", "tiny")
    assert status == 2
    assert err == "npfaceapi inspect: --detector: expected mtcnn or nothing with --net mtcnn, got tiny_face_detector\n"


@pytest.mark.slow
def test_inspect_takes_a_network_by_its_short_name(run, tmp_path):
    for options in (["--net", "tiny"], ["--net", "tiny", "--detector", "tiny_face_detector"]):
        status, out, err = run("inspect", ASTRONAUT, *options, "--min-confidence", "1", "--out", tmp_path / "page.html")
        assert (status, out.split(": ")[1].split(";")[0], err) == (0, "0 faces", "")


def test_a_size_is_a_side_or_height_and_width_in_every_command(run):
    assert run("show", "tiny", "--size", "96x64")[1].startswith("tiny_face_detector: ")
    assert "3x2x25" in run("show", "tiny", "--size", "96x64")[1]
    assert run("show", "tiny", "--size", "96") == run("show", "tiny", "--size", "96x96")
    assert run("plan", "mtcnn_pnet", "--size", "36x48")[0] == 0
    for command in ("show", "plan", "export"):
        status, _, err = run(command, "tiny", "--size", "9x")
        assert status == 2
        assert err.splitlines()[-1].endswith("argument --size: expected a number of pixels, or HEIGHTxWIDTH, got '9x'")


# ------------------------------------------------------------------ old spellings


def line(command, old, new):
    return f"npfaceapi {command}: {old} is now spelled {new}; the next release no longer takes the old spelling\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_of_no_old_spelling(command):
    text = COMMANDS[command].format_help()
    assert ("--only" in text) == (command == "analyze")
    assert ("--all" in text) == (command == "bench")
    assert "@" not in text


def without_seconds(text):
    return re.sub(r"\d+\.\d s", "", text)


def test_old_spellings_of_verify(run):
    new = run("verify", "--backend", "reference", "--case", RELU, "--case", "operations/sigmoid/1", "--verbose")
    assert new[::2] == (0, "")
    assert [text.split()[0] for text in new[1].splitlines()[1:3]] == [RELU, "operations/sigmoid/1"]
    old = run("verify", "--backend", "reference", "--only", RELU, "--only", "operations/sigmoid/1", "--all")
    assert old[0] == 0
    assert without_seconds(old[1]) == without_seconds(new[1])
    assert old[2] == line("verify", "--only", "--case") + line("verify", "--all", "--verbose")
    mixed = run("verify", "--backend", "reference", "--only", RELU, "--case", "operations/sigmoid/1")
    assert " 2 of 2 cases" in mixed[1]


@pytest.mark.slow
def test_old_spellings_of_conform(run, tmp_path):
    folder = tmp_path / "work"
    status, _, err = run("conform", "inputs", folder, "--only", RELU)
    found = f"golden cases: {ROOT / 'golden'}, found from the current folder upwards\n"
    assert (status, err) == (0, line("conform inputs", "--only", "--case") + found)
    assert [case["case"] for case in json.loads((folder / "questions.json").read_text())["cases"]] == [RELU]
    told = line("conform check", "--only", "--case") + line("conform check", "--all", "--verbose") + found
    (folder / "outputs").mkdir()
    status, _, err = run("conform", "check", folder, "--only", RELU, "--all", "--no-diagnosis")
    assert (status, err) == (1, told)  # nothing was answered
    told = line("conform run", "--only", "--case") + line("conform run", "--all", "--verbose") + found
    status, out, err = run("conform", "run", "--backend", "reference", "--only", RELU, "--all")
    assert (status, err) == (0, told)
    assert f"passed {RELU}\n" in out
    assert f"passed {RELU}\n" in run("conform", "run", "--backend", "reference", "--case", RELU, "--verbose")[1]
    assert f"passed {RELU}\n" not in run("conform", "run", "--backend", "reference", "--case", RELU)[1]


def test_wrong_usage_of_an_old_spelling(run):
    status, _, err = run("verify", "--only", "nonsense")
    assert status == 2
    assert re.fullmatch(
        r"npfaceapi verify: expected --case to match one of \d+ golden cases, got 'nonsense'", err.splitlines()[-1]
    )
    status, _, err = run("verify", "--only")
    assert status == 2
    assert err.splitlines()[-1] == "npfaceapi verify: error: argument --only: expected one argument"


@pytest.fixture
def timed(run, monkeypatch):
    """A function that gives what `bench` would time, and its errors."""
    asked = []

    def measure(entries, **options):
        asked.extend((entry.name, entry.height, entry.width) for entry in entries)
        return []

    monkeypatch.setattr(networks, "measure_networks", measure)
    monkeypatch.setattr(networks, "medians_of_runs", lambda runs: [])
    monkeypatch.setattr(networks, "networks_section", lambda *options: Section("", "", ["", "ms"]))

    def timed(*argv):
        asked.clear()
        status, _, err = run("bench", "--against", "none", *argv)
        assert status == 0
        return list(asked), err

    return timed


def test_the_old_size_of_bench(timed):
    assert timed("--net", "mtcnn_pnet", "--size", "36x48") == ([("mtcnn_pnet", 36, 48)], "")
    told = line("bench", "--net mtcnn_pnet@36x48", "--net mtcnn_pnet --size 36x48")
    assert timed("--net", "mtcnn_pnet@36x48", "--net", "mtcnn_rnet") == ([("mtcnn_pnet", 36, 48), ("mtcnn_rnet", 24, 24)], told)
    told = line("bench", "--net tiny_face_detector@96", "--net tiny_face_detector --size 96")
    assert timed("--net", "tiny@96") == ([("tiny_face_detector", 96, 96)], told)


def test_bench_takes_the_names_of_the_others(timed):
    both = [("tiny_face_detector", 416, 416), ("tiny_face_detector", 224, 224)]
    assert timed("--net", "tiny") == timed("--net", "tiny_face_detector") == (both, "")
    assert timed("--net", "ssd", "--size", "256") == ([("ssd_mobilenetv1", 256, 256)], "")
    assert [name for name, *_ in timed("--net", "mtcnn")[0]] == ["mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet"]


def test_documents_and_scripts_use_the_new_spellings():
    files = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs").rglob("*.ipynb"),
        *(ROOT / "golden").glob("*.md"),
    ]
    files += [file for file in (ROOT / ".ci").iterdir() if file.is_file()]
    files.remove(ROOT / "docs" / "release.md")  # lists deprecations
    old = re.compile(r"(verify|conform)\W.*--(only|all)\b|--net \w+@|generate\.js .*--only")
    for file in files:
        found = [text for text in file.read_text(encoding="utf-8").splitlines() if old.search(text)]
        assert found == [], file
