"""Folders whose content is executed: who can change them, and that nobody can replace them."""

from __future__ import annotations

import os
import socket
import tempfile
import types
from pathlib import Path

import pytest

from helpers.users import OTHER, needs_root, run_script
from npfaceapi.engines import trusted_folder as module
from npfaceapi.engines.trusted_folder import trusted_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no owners and modes there")
SWAPS = int(os.environ.get("NPFACEAPI_SWAPS", "10000"))  # 100,000 in the long version


@pytest.fixture
def folder(tmp_path):
    """A folder with a file in it."""
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "folder" / "file").write_bytes(b"ours")
    return tmp_path / "folder"


def read(folder, name="file"):
    with trusted_folder(folder) as opened:
        return opened.read(name)


def made(path, mode=0o700):
    with trusted_folder(path, mode) as opened:
        return opened.path


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


# ------------------------------------------------------------------ files


def test_what_is_written_is_read(folder):
    before = open_files()
    with trusted_folder(folder) as opened:
        opened.write("kept", b"data")
        opened.write("kept", b"newer")
        opened.try_to_write()
        assert opened.read("kept") == b"newer"
    assert sorted(os.listdir(folder)) == ["file", "kept"]
    assert (folder / "kept").stat().st_mode & 0o022 == 0
    assert open_files() == before


def test_what_cannot_be_written_leaves_nothing(folder):
    (folder / "taken").mkdir()
    before = open_files()
    with trusted_folder(folder) as opened, pytest.raises(OSError, match="directory"):
        opened.write("taken", b"data")
    with pytest.raises(FileNotFoundError):
        read(folder, "missing")
    assert sorted(os.listdir(folder)) == ["file", "taken"]
    assert open_files() == before


def test_a_file_is_neither_a_link_nor_a_pipe_nor_a_folder_nor_anybody_elses(folder):
    (folder / "link").symlink_to(folder / "file")
    os.mkfifo(folder / "pipe")
    (folder / "inner").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
    (folder / "for all").write_bytes(b"theirs")
    (folder / "for all").chmod(0o666)
    for name in ("link", "pipe", "inner", "socket", "for all"):
        with pytest.raises(OSError):  # noqa: PT011 - systems differ in which
            read(folder, name)


@needs_root
def test_a_file_of_another_user(folder):
    os.chown(folder / "file", OTHER, -1)
    with pytest.raises(PermissionError):
        read(folder)


# ------------------------------------------------------------------ folders


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o702, 0o1777])
def test_a_folder_in_which_others_can_write(folder, mode):
    folder.chmod(mode)
    with pytest.raises(PermissionError):
        read(folder)


@pytest.mark.parametrize(("mode", "good"), [(0o755, True), (0o711, True), (0o1777, True), (0o777, False), (0o773, False)])
def test_a_folder_above(folder, mode, good):
    (folder / "inner").mkdir(mode=0o700)
    (folder / "inner" / "file").write_bytes(b"ours")
    folder.chmod(mode)
    if good:
        assert read(folder / "inner") == b"ours"
    else:
        with pytest.raises(PermissionError):
            read(folder / "inner")


@needs_root
def test_root_trusts_no_folder_of_another_user_nor_below_one(tmp_path):
    for path in ("home", "home/.cache", "own/home/.cache"):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    os.chown(tmp_path / "home", OTHER, -1)
    for path in ("home", "home/.cache", "home/.cache/npfaceapi"):
        with pytest.raises(PermissionError):
            made(tmp_path / path)
    assert list((tmp_path / "home" / ".cache").iterdir()) == []
    assert made(tmp_path / "own/home/.cache/npfaceapi") == tmp_path / "own/home/.cache/npfaceapi"


def test_links_of_our_own_are_followed(folder, tmp_path):
    for name, target in {
        "absolute": folder, "relative": "folder", "up": f"../{tmp_path.name}/folder", "twice": "relative", "dot": "./folder/.",
    }.items():  # fmt: skip
        (tmp_path / name).symlink_to(target)
        assert read(tmp_path / name) == b"ours"
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("missing")
    for name in ("loop", "nowhere", "folder/file"):
        with pytest.raises(OSError):  # noqa: PT011 - systems differ in which
            read(tmp_path / name)
    assert read(tmp_path / "absolute" / ".." / "folder") == b"ours"


def test_no_link_in_a_folder_to_which_others_can_add(folder, tmp_path):
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky" / "link").symlink_to(folder)
    (tmp_path / "sticky").chmod(0o1777)
    with pytest.raises(PermissionError):
        read(tmp_path / "sticky" / "link")


def test_every_new_level_is_for_us_alone(tmp_path):
    before = os.umask(0)
    try:
        made(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    for path in ("a", "a/b", "a/b/c"):
        assert (tmp_path / path).stat().st_mode & 0o777 == 0o700
    made(tmp_path / "d", 0o755)
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o755 & ~before


def test_a_relative_path(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read(Path("folder")) == b"ours"


def test_where_no_folder_can_be_opened_by_a_descriptor(tmp_path, monkeypatch):
    """Windows."""
    monkeypatch.setattr(module, "_BY_DESCRIPTOR", False)
    with trusted_folder(tmp_path / "new" / "folder", 0o700) as opened:
        opened.write("kept", b"data")
        opened.try_to_write()
        assert opened.read("kept") == b"data"
        assert opened.path == tmp_path / "new" / "folder"
    assert os.listdir(tmp_path / "new" / "folder") == ["kept"]
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")


def test_a_removed_current_folder(tmp_path):
    source = """
import os, sys
from pathlib import Path
from npfaceapi.engines.trusted_folder import trusted_folder
os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])
try:
    with trusted_folder(Path("folder"), 0o700): pass
except OSError:
    print("refused")
"""
    (tmp_path / "gone").mkdir()
    assert run_script(source, tmp_path / "gone") == "refused\n"


# ------------------------------------------------------------------ groups, of which umask 002 makes every new folder one's


def users(monkeypatch, members, primary, name="group"):
    """A system with a group 4711, and users 100 ann, 101 bob and us, `me`."""
    me = os.geteuid()
    numbers = {"ann": 100, "bob": 101, "me": me}

    def user(name):
        return types.SimpleNamespace(pw_name=name, pw_uid=numbers[name], pw_gid=4711 if name in primary else 1)

    group = types.SimpleNamespace(gr_name=name, gr_gid=4711, gr_mem=members)
    monkeypatch.setattr("grp.getgrgid", lambda number: {4711: group}[number])
    monkeypatch.setattr("pwd.getpwnam", user)
    monkeypatch.setattr("pwd.getpwall", lambda: [user(name) for name in numbers if name != "unlisted"])
    module._members.cache_clear()
    return module._members(4711) <= {0, me}


@pytest.mark.parametrize(
    ("members", "primary", "name", "ours"),
    [
        ([], ["me"], "me", True),  # as most systems create it for each user
        (["me"], [], "project", True),
        (["me"], ["me"], "me", True),
        ([], ["me", "ann"], "users", False),
        (["bob"], ["me"], "me", False),
        (["me", "ann"], [], "project", False),
        (["stranger"], ["me"], "me", False),  # an unknown member
        ([], [], "staff", False),  # its members are not listed
    ],
)
def test_a_group(monkeypatch, members, primary, name, ours):
    try:
        assert users(monkeypatch, members, primary, name) is ours
    finally:
        module._members.cache_clear()


def test_a_group_that_has_no_name():
    assert module._members(4_000_000_001) == {-1}


def test_a_user_whom_the_directory_does_not_list(monkeypatch):
    """A large system resolves users by name, but does not list them all."""
    users(monkeypatch, [], ["me"], "me")
    monkeypatch.setattr("pwd.getpwall", list)
    module._members.cache_clear()
    try:
        assert module._members(4711) == {os.geteuid()}
    finally:
        module._members.cache_clear()


@needs_root
def test_folders_that_a_group_can_write(folder, tmp_path):
    """Root is alone in its group; the group of `nobody` has other members, or does not list them."""
    for path in (tmp_path, folder, folder / "file"):
        path.chmod(0o775)
    assert read(folder) == b"ours"
    os.chown(folder, -1, OTHER)
    with pytest.raises(PermissionError):
        read(folder)


def test_an_access_list_lets_others_in(folder, monkeypatch):
    folder.chmod(0o770)
    monkeypatch.setattr(module, "_members", lambda group: {os.geteuid()})
    assert read(folder) == b"ours"
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"an entry", raising=False)
    with pytest.raises(PermissionError):
        read(folder)


# ------------------------------------------------------------------ a race against another user

RACE = """
import grp, itertools, pwd, secrets, shutil, traceback
from pathlib import Path
from npfaceapi.engines.trusted_folder import trusted_folder

place, swaps = Path(sys.argv[1]), int(sys.argv[2])
VICTIM, OTHER = 4711, 65534
found = {"ours": 0, "refused": 0, "theirs": 0}

def read(folder):
    try:
        with trusted_folder(folder) as opened:
            data = opened.read("kernel")
    except OSError:
        data = b"refused"
    found[data.decode()] += 1
    return data

def flip(name, contents):
    # One name for several things by turns, with never a moment without any.
    ready = [Path(f"{name}.{k}") for k in range(len(contents))]
    for path, content in zip(ready, contents):
        if not content.exists():
            os.mkdir(content)
            (content / "kernel").write_bytes(b"theirs")
        path.symlink_to(content)
    for _ in range(swaps):
        for path, content in zip(ready, contents):
            os.replace(path, name)
            path.symlink_to(content)

def race(work, attack, victim):
    child = os.fork()
    if not child:
        become(OTHER)
        try:
            attack()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    if victim:
        become(victim)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        work()
    assert ended[1] == 0
    print(*found.values())
"""

#: The name alternates between a link to a folder that root trusts and one to the other user's, in that user's folder.
BELOW_THEIRS = """
(place / "ours").mkdir(mode=0o700)
(place / "ours" / "kernel").write_bytes(b"ours")
(place / "theirs").mkdir()
os.chown(place / "theirs", OTHER, OTHER)
def by_path():
    folder = place / "theirs" / "link"
    try:
        if folder.stat().st_uid == 0:
            found[(folder / "kernel").read_bytes().decode()] += 1
    except OSError:
        pass
race(
    by_path if len(sys.argv) > 3 else lambda: read(place / "theirs" / "link"),
    lambda: flip(place / "theirs" / "link", [place / "ours", place / "theirs" / "evil"]),
    None,
)
"""

#: A folder such as /tmp: the other user adds what looks like our folder, and tries to move ours away.
IN_A_STICKY_FOLDER = """
(place / "sticky").mkdir()
(place / "sticky").chmod(0o1777)
turn, ours = itertools.count(), []

def work():
    if not ours:
        with trusted_folder(place / "sticky" / "kernels", 0o700) as made:
            made.write("kernel", b"ours")
            ours.append(made.path)
    if next(turn) % 10:
        assert read(ours[0]) == b"ours"
        read(place / "sticky" / "kernels")
    else:
        for name in os.listdir(place / "sticky"):
            if name.startswith("kernels-"):
                read(place / "sticky" / name)

def attack():
    for k in range(swaps):
        fake = place / "sticky" / f"kernels-{k % 7}"
        fake.mkdir()
        (fake / "kernel").write_bytes(b"theirs")
        names = [name for name in os.listdir(place / "sticky") if name.startswith("kernels-") and len(name) > 12]
        for name in names:
            path = place / "sticky" / name
            for attempt, *arguments in ((os.rmdir, path), (os.rename, path, f"{path}.away"), (os.rename, fake, path)):
                try:
                    attempt(*arguments)
                except OSError:
                    continue
                raise AssertionError("moved away")
        for target in (fake, place / "sticky" / (names or ["x"])[0]):
            (place / "sticky" / "link").symlink_to(target)
            os.replace(place / "sticky" / "link", place / "sticky" / "kernels")
        shutil.rmtree(fake)

race(work, attack, VICTIM)
"""

#: In such a folder, the other user is quick to create every name that we are about to create.
MADE_IN_A_STICKY_FOLDER = """
(place / "sticky").mkdir()
(place / "sticky").chmod(0o1777)

def work():
    name = place / "sticky" / "named"
    try:
        with trusted_folder(name / "kernels", 0o700) as made:
            made.write("kernel", b"ours")
    except OSError:
        pass
    read(name / "kernels")
    shutil.rmtree(name, ignore_errors=True)

def attack():
    name, evil = place / "sticky" / "named", place / "sticky" / "evil"
    (evil / "kernels").mkdir(parents=True)
    (evil / "kernels" / "kernel").write_bytes(b"theirs")
    for k in range(10 * swaps):
        try:
            if k % 2:
                name.symlink_to(evil)
                name.unlink()
            else:
                os.rename(evil, name)
                os.rename(name, evil)
        except OSError:
            pass

race(work, attack, VICTIM)
"""


@pytest.fixture
def open_place():
    """A folder that other users can access, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@needs_root
@pytest.mark.parametrize("swaps", [500, pytest.param(SWAPS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("attack", [BELOW_THEIRS, IN_A_STICKY_FOLDER, MADE_IN_A_STICKY_FOLDER])
def test_another_user_wins_no_race(attack, swaps, open_place):
    ours, refused, theirs = map(int, run_script(RACE + attack, open_place, swaps).split())
    assert theirs == 0
    if swaps == SWAPS:  # short runs may end before the two collide
        assert ours > 0 or attack is BELOW_THEIRS
        assert refused > 0


@needs_root
@pytest.mark.slow
def test_the_race_is_a_real_one(open_place):
    """Checking by path and then reading by path loses this race."""
    _, _, theirs = map(int, run_script(RACE + BELOW_THEIRS, open_place, 30_000, "by path").split())
    assert theirs > 0
