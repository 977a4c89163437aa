"""The folder of compiled kernels: which folders are tried, and which are skipped."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from helpers.users import OTHER, needs_root, run_script
from npfaceapi.engines import kernel_folder as module
from npfaceapi.engines.kernel_folder import kernel_folder, kernel_folders, version_of
from npfaceapi.engines.trusted_folder import trusted_folder


@pytest.fixture
def package(tmp_path):
    """The folder of a package with one file."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "kernels.py").write_text("x = 1\n")
    return folder


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Separate home and temporary folders, with an empty cache of decisions."""
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    kernel_folder.cache_clear()
    version_of.cache_clear()
    yield
    kernel_folder.cache_clear()
    version_of.cache_clear()


def test_the_places_in_their_order(package, tmp_path, monkeypatch):
    name = version_of(package)
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    places = [
        package / "__pycache__" / name,
        tmp_path / "home" / ".cache" / "npfaceapi" / name,
        tmp_path / "temporary" / f"npfaceapi-{user}-{name}",
    ]
    assert list(kernel_folders(package)) == places
    assert kernel_folder(package) == places[0]
    assert list(package.glob("__pycache__/kernels-*/*")) == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new" / "cache"))
    assert list(kernel_folders(package))[1] == tmp_path / "new" / "cache" / "npfaceapi" / name
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard requires to ignore it
    assert list(kernel_folders(package)) == [places[0], places[2]]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba" / "cache"))
    assert list(kernel_folders(package)) == [tmp_path / "numba" / "cache" / name]
    kernel_folder.cache_clear()
    assert kernel_folder(package) == tmp_path / "numba" / "cache" / name
    monkeypatch.setenv("NUMBA_CACHE_DIR", "here")
    monkeypatch.chdir(tmp_path)
    assert list(kernel_folders(package)) == [tmp_path / "here" / name]


def test_places_that_cannot_be_written_are_left_out(package, tmp_path, monkeypatch):
    name, found = version_of(package), []
    for forbidden in ([], [package], [package, tmp_path / "home"], [tmp_path]):

        def opened(path, make=None, forbidden=tuple(forbidden)):
            if any(folder in path.parents for folder in forbidden):
                raise PermissionError(13, "read-only")
            return trusted_folder(path, make)

        monkeypatch.setattr(module, "trusted_folder", opened)
        kernel_folder.cache_clear()
        found.append(kernel_folder(package))
    assert found[:2] == [package / "__pycache__" / name, tmp_path / "home" / ".cache" / "npfaceapi" / name]
    assert found[2].parent == tmp_path / "temporary"
    assert found[3] is None


def test_a_frozen_program_keeps_nothing_where_it_is_unpacked(package, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.frozen", True, raising=False)
    assert kernel_folder(package).parent == tmp_path / "home" / ".cache" / "npfaceapi"


def test_no_temporary_folder(package, monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert len(list(kernel_folders(package))) == 2
    assert kernel_folder(package) is not None


@pytest.mark.parametrize("home", ["/nonexistent", "", "relative", "~", "/dev/null"])
def test_a_home_that_is_none(package, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert not [path for path in kernel_folders(package) if "nonexistent" in path.parts or not path.is_absolute()]
    assert kernel_folder(package) is not None
    assert not Path("/nonexistent").exists()


def test_a_removed_current_folder(package, tmp_path, monkeypatch):
    if os.name == "nt":
        pytest.skip("the current folder cannot be removed there")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert kernel_folder(package) == package / "__pycache__" / version_of(package)
    kernel_folder.cache_clear()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "relative")
    assert kernel_folder(package) is None
    os.chdir(tmp_path)


def test_a_package_whose_sources_cannot_be_read(tmp_path):
    assert version_of(tmp_path / "package.zip" / "numba") is None
    assert kernel_folder(tmp_path / "package.zip" / "numba") is None


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_with_umask_002_home_and_package_go_on_serving(package, tmp_path, monkeypatch):
    """As on systems with one group per user; root is alone in its group, a user of these tests may not be."""
    monkeypatch.setattr("npfaceapi.engines.trusted_folder._members", lambda group: {os.geteuid()})
    before = os.umask(0o002)
    try:
        for folder in (tmp_path, package, tmp_path / "home"):
            folder.chmod(0o775)
        (package / "__pycache__").mkdir()
        (tmp_path / "home" / ".cache").mkdir()
        assert kernel_folder(package) == package / "__pycache__" / version_of(package)
        assert kernel_folder(package).stat().st_mode & 0o777 == 0o755
        (package / "__pycache__").chmod(0o777)
        kernel_folder.cache_clear()
        assert kernel_folder(package) == tmp_path / "home" / ".cache" / "npfaceapi" / version_of(package)
        assert kernel_folder(package).parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


AS_ANOTHER_USER = """
import grp, pwd, tempfile
from pathlib import Path
from npfaceapi.engines.kernel_folder import kernel_folder, kernel_folders
from npfaceapi.engines.trusted_folder import trusted_folder
package, tempfile.tempdir, user = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
become(user)
for _ in range(2):  # the second finds what the first has made
    found = kernel_folder(package)
    print(found, found in list(kernel_folders(package)))
    kernel_folder.cache_clear()
"""


@pytest.mark.slow_after(1)
@needs_root
@pytest.mark.parametrize("planted", ["nothing", "folder", "link", "file"])
def test_a_temporary_folder_for_all(planted):
    """Each user gets a private folder there, with an unpredictable name that nobody can take first; root gets none."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        package, temporary = Path(place) / "package", Path(place) / "temporary"
        package.mkdir()
        (package / "kernels.py").write_text("x = 1\n")
        temporary.mkdir()
        for folder, mode in ((Path(place), 0o755), (temporary, 0o1777)):
            folder.chmod(mode)
        fixed = temporary / f"npfaceapi-4711-{version_of(package)}"
        if planted == "folder":
            fixed.mkdir()
            fixed.chmod(0o777)
        elif planted == "link":
            fixed.symlink_to(package)
        elif planted == "file":
            fixed.write_text("")
        if planted != "nothing":
            os.chown(fixed, OTHER, OTHER, follow_symlinks=False)
            Path(f"{fixed}-0000").mkdir()
            os.chown(f"{fixed}-0000", OTHER, OTHER)
        variables = {"HOME": "/nonexistent", "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": ""}
        first, second = run_script(AS_ANOTHER_USER, package, temporary, 4711, **variables).splitlines()
        assert first == second
        folder, listed = first.split()
        assert listed == "True"
        assert folder.startswith(f"{fixed}-")
        assert len(folder) >= len(f"{fixed}-") + 16
        assert (Path(folder).stat().st_uid, Path(folder).stat().st_mode & 0o777) == (4711, 0o700)
        package.chmod(0o777)
        assert run_script(AS_ANOTHER_USER, package, temporary, 0, **variables) == "None False\nNone False\n"


@needs_root
def test_root_keeps_nothing_in_the_home_of_another_user(package, tmp_path):
    """As with `sudo -E`."""
    package.chmod(0o777)
    os.chown(tmp_path / "home", OTHER, OTHER)
    assert kernel_folder(package).parent == tmp_path / "temporary"
    assert os.listdir(tmp_path / "home") == []


def test_the_places_are_asked_for_only_as_far_as_needed(package, monkeypatch):
    """A process with kernels in the first folder does not look for a temporary folder, which would write a file there."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: pytest.fail("asked"))
    assert next(iter(kernel_folders(package))) == package / "__pycache__" / version_of(package)
