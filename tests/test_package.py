"""The package as a whole: public names, the cost of imports, which modules import which, examples, the error classes."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import npfaceapi
from helpers import ROOT
from helpers.pages import DOCS, load
from npfaceapi import errors, nets

FOLDER = ROOT / "npfaceapi"
architecture = load(DOCS / "pictures" / "architecture.py")
MODULES, imports_of = architecture.MODULES, architecture.imports_of
OPTIONAL = {
    "benchmark.torch_": "torch",
    "engines.cuda": "numba_cuda",
    "npfaceapi.service": "uvicorn",
}  # what modules need that an extra brings
# The modules in a line of the map in npfaceapi/__init__.py may import those in the lines above it; inside a folder no imports
# form a cycle.
MAP = architecture.read_map()
LAYER_OF = {re.sub(r"/|\.py$", "", name): i for i, name in enumerate([*MAP["library"], *MAP["tools"]])}


def run_python(source):
    """What a fresh interpreter prints, where our own warnings are errors."""
    source = f"import warnings; warnings.filterwarnings('error', module='npfaceapi')\n{source}"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["npfaceapi.networks.mtcnn", "tests.conftest", "tests.test_package", "helpers.pages"])
@pytest.mark.parametrize("category", [DeprecationWarning, RuntimeWarning, UserWarning])
def test_our_own_warnings_are_errors_and_those_of_others_are_not(module, category):
    with pytest.raises(category):
        warnings.warn_explicit("of our own", category, "file", 1, module)
    with pytest.warns(category):
        warnings.warn_explicit("of a third party", category, "file", 1, "numba.cuda.np.npdatetime_helpers")


# ------------------------------------------------------------------ public names


def test_every_public_name_can_be_imported_and_is_documented():
    namespace = {}
    exec("from npfaceapi import *", namespace)
    assert len(set(npfaceapi.__all__)) == len(npfaceapi.__all__)
    for name in npfaceapi.__all__:
        value = namespace[name]
        if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
            assert value.__doc__, f"{name} has no docstring"
    assert set(dir(npfaceapi)) == set(npfaceapi.__all__)
    with pytest.raises(AttributeError, match="module 'npfaceapi' has no attribute 'nose'"):
        npfaceapi.nose  # noqa: B018


def test_public_methods_are_documented():
    missing = [
        f"{cls.__name__}.{name}"
        for cls in {getattr(npfaceapi, name) for name in npfaceapi.__all__}
        if inspect.isclass(cls)
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, (property, classmethod)))
        if not inspect.getdoc(getattr(cls, name) if not isinstance(member, property) else member)
    ]
    assert missing == []


def test_no_name_is_also_that_of_a_submodule():
    submodules = {module.name for module in pkgutil.iter_modules(npfaceapi.__path__)}
    assert submodules & set(npfaceapi.__all__) == {"draw", "nets"}


@pytest.mark.slow
def test_importing_submodules_changes_no_public_name():
    missing = {name for name, package in OPTIONAL.items() if importlib.util.find_spec(package) is None}
    modules = [module for module in MODULES if not any(name in module for name in missing)]
    import_all = f"import importlib; [importlib.import_module(m) for m in {modules!r}]\n"
    names = "{n: getattr(npfaceapi, n) for n in npfaceapi.__all__}\n"
    kinds = "print([n for n, v in after.items() if type(v).__name__ == 'module'])"
    before = f"import npfaceapi\nbefore = {names}{import_all}after = {names}assert all(after[n] is before[n] for n in after)\n"
    late = f"import npfaceapi\n{import_all}after = {names}"
    assert run_python(before + kinds) == run_python(late + kinds) == "['draw', 'nets']\n"


def test_version_and_typing():
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", npfaceapi.__version__)
    assert (FOLDER / "py.typed").is_file()


# ------------------------------------------------------------------ what an import costs


@pytest.mark.alone
def test_import_is_quick_and_light():
    timed = "import sys, time; t = time.perf_counter(); import npfaceapi; print(time.perf_counter() - t); "
    heavy = "print(sorted({'numba', 'scipy', 'PIL', 'llvmlite'} & {m.partition('.')[0] for m in sys.modules}))"
    outputs = [run_python(timed + heavy).split("\n") for _ in range(5)]
    assert min(float(seconds) for seconds, *_ in outputs) < 0.15
    assert all(loaded == "[]" for _, loaded, _ in outputs)


def test_using_the_names_loads_nothing_heavy():
    use = "import sys, npfaceapi as f; [getattr(f, name) for name in f.__all__]; f.detect_all_faces('a').with_face_landmarks(); "
    show = "print(sorted({'numba', 'scipy', 'PIL'} & set(sys.modules)), f.nets.ssd_mobilenetv1.is_loaded)"
    assert run_python(use + show) == "[] False\n"


def test_the_service_listens_without_what_its_workers_import():
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    pytest.importorskip("python_multipart")
    loaded = run_python("import sys, npfaceapi.service.server; print(*sys.modules)").split()
    assert not {"numba", "scipy", "PIL", "npfaceapi.tasks", "npfaceapi.collection.face_index"} & set(loaded)
    use = "import sys; from npfaceapi.engines.dispatch import current_backend; current_backend(); print(*sys.modules)"
    assert "npfaceapi.engines.numba.program" not in run_python(use).split()


# ------------------------------------------------------------------ which modules import which


def layer(module):
    return LAYER_OF[module.split(".")[1]]


@pytest.mark.slow
def test_imports_run_one_way():
    modules = [module for module in MODULES if module != "npfaceapi"]
    imports = [(module, name) for module in modules for name, _ in imports_of(module) if name != "npfaceapi"]
    assert len(imports) > 500
    assert [(a, b) for a, b in imports if a.split(".")[1] != b.split(".")[1] and layer(b) >= layer(a)] == []


def test_the_map_names_exactly_the_folders_and_files_that_exist_and_few_files_stand_beside_the_folders():
    folders = {f"{path.parent.name}/" for path in FOLDER.glob("*/__init__.py")}
    files = {path.name for path in FOLDER.glob("*.py")}
    named = [*MAP["library"], *MAP["tools"]]
    assert set(named) == folders | files - {"__init__.py"}
    assert len(set(named)) == len(named)
    assert len(files) <= 14


def test_an_import_by_a_composed_name_is_seen():
    assert ("npfaceapi.commands", False) in imports_of("npfaceapi.cli")


def assert_no_circle(graph):
    done: set[str] = set()

    def walk(module, path):
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for name in graph.get(module, ()):
                walk(name, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])


def test_no_circle_of_imports():
    assert_no_circle({module: {name for name, at_import in imports_of(module) if at_import} - {module} for module in MODULES})


@pytest.mark.parametrize("folder", sorted(path.name for path in FOLDER.iterdir() if (path / "__init__.py").is_file()))
def test_no_circle_inside_of_a_folder_not_even_of_late_imports(folder):
    inside = [module for module in MODULES if f"{module}.".startswith(f"npfaceapi.{folder}.")]
    assert_no_circle({module: {name for name, _ in imports_of(module) if name in inside} for module in inside})


def test_circles_are_found():
    assert_no_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    with pytest.raises(AssertionError, match="a -> b -> c -> a"):
        assert_no_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_what_is_computed_knows_how_it_is_shown_only_when_it_is():
    for module in MODULES[1:]:
        if layer(module) < LAYER_OF["tasks"] and not module.startswith("npfaceapi.display"):
            assert not [name for name, at_import in imports_of(module) if at_import and name.startswith("npfaceapi.display")], (
                module
            )


def test_engines_know_the_graph_alone_and_kernels_nothing():
    for module in MODULES:
        ours = {name.partition(".")[2] for name, _ in imports_of(module)}
        if module.startswith("npfaceapi.engines"):
            assert {name for name in ours if not name.startswith("engines")} <= {
                "display.plain_table",
                "display.standard_error",
                "errors",
                "graph",
                "locks",
                "ops",
            }, module
    below = tuple(f"npfaceapi.engines.numba.{part}" for part in ("numba_internals", "jit", "cache", "kernels", "simd"))
    kernels = [module for module in MODULES if module.startswith(below[-2:])]
    assert len(kernels) > 8
    for module in kernels:
        assert all(name.startswith(below) for name, _ in imports_of(module)), module


@pytest.mark.slow
def test_every_package_that_is_imported_at_once_is_declared():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("dependencies = [")[2].partition("\n]")[0]
    names = {name.lower() for name in re.findall(r'^ +"([A-Za-z]+)', declared, re.MULTILINE)}
    assert "numpy" in names
    for module in MODULES:
        if any(name in module for name in OPTIONAL):
            continue
        path = ROOT / Path(*module.split("."))
        tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        found = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
        found |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
        others = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - {"npfaceapi"}
        assert {"pillow" if name == "PIL" else name for name in others} <= names, module


# ------------------------------------------------------------------ examples and errors


def has_examples(module):
    return ">>>" in (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8") if "." in module else False


@pytest.fixture
def networks_as_they_were():
    """Make the networks of `nets` again after examples that load weights into them."""
    yield
    for name in nets.__all__:
        vars(nets).pop(name, None)


EXAMPLES = [m for m in MODULES if (ROOT / Path(*m.split("."))).with_suffix(".py").is_file() and has_examples(m)]
SLOW_EXAMPLES = {"npfaceapi.global_api", "npfaceapi.inspection.inspecting"}


@pytest.mark.parametrize("module", [pytest.param(m, marks=pytest.mark.slow if m in SLOW_EXAMPLES else ()) for m in EXAMPLES])
def test_examples(module, monkeypatch, networks_as_they_were):
    monkeypatch.chdir(ROOT)
    if module == "npfaceapi.export.onnx_model":
        pytest.importorskip("onnx")
    tried = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (errors.InvalidArgument, (ValueError,)),
        (errors.InvalidType, (TypeError,)),
        (errors.ImageError, (errors.InvalidArgument, ValueError)),
        (errors.ImageNotFoundError, (errors.ImageError, FileNotFoundError)),
        (errors.FetchError, (OSError,)),
        (errors.WeightsError, (ValueError,)),
        (errors.GoldenError, (ValueError,)),
        (errors.BackendUnavailable, (RuntimeError,)),
        (errors.DeviceError, (RuntimeError,)),
    ],
)
def test_errors(error, bases):
    assert issubclass(error, (errors.NpFaceApiError,))
    for base in bases:
        assert issubclass(error, base)
    assert str(error("photo.png: expected an image, got none")) == "photo.png: expected an image, got none"
    assert getattr(npfaceapi, error.__name__) is error


def test_all_errors_are_listed():
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert defined == set(errors.__all__)
