"""SECURITY.md: each promise names existing tests; and things that the package never does."""

from __future__ import annotations

import ast
import re

import pytest

from helpers import ROOT

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
PROMISES = [line for line in TEXT.splitlines() if line.startswith("| ") and "`tests/" in line]


def test_each_promise_names_tests_that_exist():
    assert len(PROMISES) > 15
    for promise in PROMISES:
        path = ""
        for file, name in re.findall(r"`(tests/[\w/.]+)?(?:::(\w+))?`", promise):
            path = file or path
            source = (ROOT / path).read_text("utf-8")
            assert not name or f"def {name}(" in source, f"{path}::{name}"


@pytest.mark.slow
def test_no_code_of_others_is_run():
    """`exec` builds functions from the package's own source in one place; no other code executes what it reads."""
    found = set()
    for path in (ROOT / "npfaceapi").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("eval", "exec", "os.system", "os.popen") or "pickle.load" in called or "marshal.load" in called:
                    found.add((name, called))
                if any(keyword.arg == "shell" for keyword in node.keywords):
                    found.add((name, "shell"))
                if called.endswith(("np.load", "numpy.load", "read_npy")) and "npy" not in name and "tensor_files" not in name:
                    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                    if keywords.get("allow_pickle", "False") != "False":
                        found.add((name, "pickle"))
    assert found == {("npfaceapi/engines/numba/simd/emit.py", "exec")}
