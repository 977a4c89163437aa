"""Run the notebook of the reading path again and store its outputs: `python docs/notebook.py` (needs nbclient and ipykernel).

Pictures are stored as PNG only. Nothing is stored that differs from run to run, such as times and execution counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
NOTEBOOK = FOLDER / "reading-path.ipynb"


def executed(path: Path) -> Any:
    """The notebook at that path with fresh outputs; raises nbclient's CellExecutionError if a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    # a clone need not be installed
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", coalesce_streams=True, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    for cell in notebook.cells:
        cell["metadata"] = {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/jpeg", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    import nbformat

    nbformat.write(executed(NOTEBOOK), NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size:,} bytes")
    sys.exit(0)
