"""A Sphinx extension: the code of the reading path runs in the reader's browser, with a Run button at each block.

When a reader presses Run, and not before, `_static/run.js` starts a worker, `_static/run-worker.js`, which loads Pyodide: Python
and NumPy compiled to WebAssembly. The worker gets the package as it is in the repository, and runs the blocks by
`page_runner.py`. The photo, the weights and the golden cases are fetched one by one, when Python opens them.

The setting `pyodide_base` in conf.py says where Pyodide's files are: a folder of the site, relative to its root, or the address
of a server.
"""

from __future__ import annotations

import ast
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pages
from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent

#: Fetched when they are opened.
FILES = ("weights/*", "golden/cases.json", "golden/core/*", "golden/unbundled/*", "golden/images/astronaut.png")
#: What a browser does not have, by the words that need it: modules that a block imports, backends, methods.
NOT_THERE = {
    "conform": "a second process",
    "cuda": "a GPU",
    "numba": "Numba",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "plan": "Numba",
}


def needs(code: str) -> str | None:
    """What a block needs that a browser does not have; None if it has everything."""
    words = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            words |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            words |= {part for alias in node.names for part in alias.name.split(".")}
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    return next((NOT_THERE[word] for word in sorted(words & set(NOT_THERE))), None)


def is_run(docname: str) -> bool:
    """Whether docs/pages.py runs the blocks of a page."""
    return ROOT / f"{docname}.md" in pages.PAGES


def mark_blocks(app: Sphinx, doctree: nodes.document) -> None:
    """Give the blocks that run the class `runnable`; say below others why they do not."""
    if not is_run(app.env.docname):
        return
    for block in list(doctree.findall(nodes.literal_block)):
        if block.get("language") != "python":
            continue
        if what := needs(block.astext()):
            text = f"This block needs {what}, which a browser does not have. It runs in a clone of the repository."
            block.parent.insert(block.parent.index(block) + 1, nodes.paragraph("", text, classes=["not-runnable"]))
        else:
            block["classes"].append("runnable")


def add_script(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    if is_run(docname):
        app.add_css_file("run.css")
        base = app.config.pyodide_base.rstrip("/") + "/"
        app.add_js_file("run.js", loading_method="defer", **{"data-pyodide": base})


def copy_files(app: Sphinx, error: Exception | None) -> None:
    """Write what the worker fetches from the site: the package as an archive, and the files that are fetched one by one."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "repository"
    shutil.rmtree(folder, ignore_errors=True)
    paths = sorted(path.relative_to(ROOT).as_posix() for pattern in FILES for path in ROOT.glob(pattern))
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    (folder / "files.json").write_text(json.dumps(paths), "utf-8")
    with zipfile.ZipFile(folder / "package.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(ROOT / "docs" / "page_runner.py", "page_runner.py")
        archive.write(ROOT / "pyproject.toml", "pyproject.toml")  # as in a clone, where `npfaceapi` finds weights/ and golden/
        for file in sorted((ROOT / "npfaceapi").rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(ROOT))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("pyodide_base", "pyodide", "html", str)
    app.connect("doctree-read", mark_blocks)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
