"""The notebook of the reading path runs from top to bottom, with the committed outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.pages import DOCS, assert_says_the_same, load, problems_of

pytest.importorskip("nbclient", reason='needs nbclient: pip install "npfaceapi[test]"')
pytest.importorskip("ipykernel", reason='needs ipykernel: pip install "npfaceapi[test]"')

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Jupyter's own warnings
notebook = load(DOCS / "notebook.py")


def printed(cell):
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


def kinds(cell):
    """The MIME types of a cell's outputs: text/plain, image/png, …"""
    return sorted({kind for output in cell["outputs"] for kind in output.get("data", {})})


def test_the_notebook_runs_and_shows_what_it_showed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    committed = json.loads(notebook.NOTEBOOK.read_text("utf-8"))
    fresh = notebook.executed(notebook.NOTEBOOK)
    code = [(a, b) for a, b in zip(committed["cells"], fresh.cells, strict=True) if b.cell_type == "code"]
    assert len(code) >= 10
    for before, after in code:
        assert set(kinds(before)) <= set(kinds(after))
        assert_says_the_same(printed(before), printed(after))
    assert sum("image/png" in kinds(after) for _, after in code) >= 5


def test_a_cell_that_fails_is_found(tmp_path):
    import nbformat
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "broken.ipynb"
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import npfaceapi\n1 / 0", id="only")])
    nbformat.write(broken, path)
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebook.executed(path)


def test_the_notebook_is_small_and_its_links_lead_somewhere():
    text = notebook.NOTEBOOK.read_text("utf-8")
    assert len(text) < 800_000
    cells = json.loads(text)["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert problems_of(prose, DOCS) == []
    assert not re.search(r"/(home|root|tmp|Users)/", text)
    assert Path(DOCS / "reading-path.ipynb").name in (DOCS / "README.md").read_text("utf-8")
