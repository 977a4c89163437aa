"""The site of the documentation: `python -m sphinx -qEW --keep-going -c docs . build/site`, from the root of the repository.

The root is the source folder, so that the links and pictures of a page work on the site as in the repository.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / "docs"))  # for runnable.py

import npfaceapi  # noqa: E402

project = "npfaceapi"
author = "npfaceapi maintainers"
release = npfaceapi.__version__
extensions = [
    *("sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.linkcode", "numpydoc", "myst_nb"),
    *("runnable", "figures_to_play"),  # in this folder
]

root_doc = "README"
include_patterns = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "golden/README.md"),
    *("weights/README.md", "docs/*.md", "docs/*.ipynb", "docs/reference/**.rst"),
]
exclude_patterns = [".*", "build", "node_modules", "out", "venv"]  # not searched
#: The pages that the navigation shows below a page; the pages themselves only link to each other.
CONTENTS = {
    "README": ["docs/README", "docs/reference/index", "docs/glossary", "CHANGELOG", "CONTRIBUTING", "SECURITY"],
    "docs/README": [
        *(f"docs/{page.stem}" for page in sorted((ROOT / "docs").glob("[0-9][0-9]-*.md"))),
        *(after := ["docs/exercises", "docs/own-network", "docs/teaching", "docs/reading-path"]),
        *sorted({f"docs/{page.stem}" for page in (ROOT / "docs").glob("[a-z]*.md")} - {*after, "docs/glossary"}),
        *("golden/README", "weights/README"),
    ],
}

templates_path = [str(ROOT / "docs" / "_templates")]  # absolute, as autosummary starts from the source folder
html_theme = "pydata_sphinx_theme"
html_title = "npfaceapi"
html_additional_pages = {"index": "to_readme.html"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"], "collapse_navigation": True}
html_sidebars = {"CHANGELOG": [], "CONTRIBUTING": [], "SECURITY": [], "docs/glossary": []}
#: Where the Run buttons find Pyodide's files (docs/runnable.py): a folder of the site, or the address of a server.
pyodide_base = "pyodide"
highlight_language = "none"  # a block without a language is the output of a program

nb_execution_mode = "off"  # docs/notebook.py runs the notebook
myst_heading_anchors = 6
autosummary_generate = True
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True  # as in the source: a signature with <function …> in it is not parsed
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
default_role = "py:obj"
numpydoc_show_class_members = False  # the template of classes shows them


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname in CONTENTS:
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(f"/{name}" for name in CONTENTS[docname]) + "\n```\n"


# ------------------------------------------------------------------ Python files that pages link to, as pages of the site

_sources: set[str] = set()  # their paths, relative to the root


def _source_page(path: str) -> str:
    """The name of the page of a Python file."""
    _sources.add(path)
    return f"source/{path.removesuffix('.py')}"


def _line_of(path: Path, name: str) -> int:
    """The line where a file defines a name; the first if it does not."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return node.lineno
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return node.lineno
    return 1


def link_files(app: Sphinx, doctree: nodes.document) -> None:
    """Links to Python files lead to their pages; links to folders become text, as the site has no pages for folders.

    MyST makes all other linked files downloads.
    """
    docname = app.env.docname
    for link in list(doctree.findall(addnodes.download_reference)):
        path = (ROOT / docname).parent / link["reftarget"]
        if path.suffix == ".py":
            page = _source_page(Path(os.path.normpath(path)).relative_to(ROOT).as_posix())
            uri = f"{app.builder.get_relative_uri(docname, page)}#L-{_line_of(path, link.astext())}"
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri, internal=True))
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "myst" and ((ROOT / docname).parent / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The link to the definition of a public class or function, relative to its page in docs/reference/generated/."""
    found = getattr(sys.modules[info["module"]], info["fullname"], None)
    if not inspect.isclass(found) and not inspect.isfunction(found):
        return None
    path = Path(inspect.getsourcefile(found) or "").relative_to(Path(npfaceapi.__file__).parent.parent)
    return f"../../../{_source_page(path.as_posix())}.html#L-{inspect.getsourcelines(found)[1]}"


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in sorted(_sources):
        code = app.builder.highlighter.highlight_block((ROOT / path).read_text("utf-8"), "python", lineanchors="L")
        yield _source_page(path), {"title": path, "body": f"<h1>{path}</h1>{code}"}, "page.html"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
    app.connect("doctree-read", link_files, priority=400)  # before Sphinx copies what can be downloaded
    app.connect("html-collect-pages", source_pages)
