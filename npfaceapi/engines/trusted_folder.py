"""Folders that no other user can change, opened so that no other user can replace them.

What lies there is run as machine code.  So a folder is opened from the root down, each through the descriptor of the one above
and none through a link that another user could have made, and checked through its own descriptor.  It is trusted if it and
all above it belong to this user, to root or to the owner of this package, whose code runs here anyway, and if no other user
can write there.

In a sticky folder such as /tmp others can add entries, but not rename or remove ours.  So one may stand above, if what follows
in it belongs to one of these three and is no link.  What is made in it gets a random name, and root makes
nothing there.

Windows has no such descriptors: there a folder is opened by its path.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["TrustedFolder", "trusted_folder"]

_BY_DESCRIPTOR = os.open in os.supports_dir_fd
_FOLDER = sum(getattr(os, name, 0) for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_PATH"))  # O_PATH: one may enter, not list it
_FILE = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))  # a pipe must not keep us waiting
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_MOST_LINKS = 40


class TrustedFolder:
    """An open folder, and the files in it by name; every method may raise OSError.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path, self._descriptor = path, descriptor

    def _at(self, name: str) -> str:
        return name if _BY_DESCRIPTOR else str(self.path / name)

    def _open(self, name: str, flags: int) -> int:
        return os.open(self._at(name), flags | _FILE, 0o644, dir_fd=self._descriptor)

    def read(self, name: str) -> bytes:
        """What is in a file that only trusted users can have written."""
        with open(self._open(name, os.O_RDONLY), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or (_BY_DESCRIPTOR and _is_shared(file.fileno())):
                raise _refusal(name)
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file, whole or not at all."""
        partial = f".{name}-{secrets.token_hex(8)}"
        try:
            with open(self._open(partial, _NEW), "wb") as file:
                file.write(data)
            os.replace(self._at(partial), self._at(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                self._remove(partial)
            raise

    def try_to_write(self) -> None:
        """Make an empty file, and remove it."""
        name = f".{secrets.token_hex(8)}"
        os.close(self._open(name, _NEW))
        self._remove(name)

    def _remove(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self._descriptor)


@contextlib.contextmanager
def trusted_folder(path: Path, make: int | None = None) -> Iterator[TrustedFolder]:
    """Open a folder for a `with` block.

    Parameters
    ----------
    path : Path
    make : int, optional
        Make what is missing, with these permissions; in a sticky folder a new one, with a random end to its name, see `path`
        of what is given.

    Raises
    ------
    OSError
        It is not there, cannot be made, or another user could change it.
    """
    if not _BY_DESCRIPTOR:
        if make is not None:
            path.mkdir(parents=True, exist_ok=True)
        yield TrustedFolder(path, None)
        return
    descriptor, path = _walk(path.absolute(), make)
    try:
        yield TrustedFolder(path, descriptor)
    finally:
        os.close(descriptor)


def _walk(path: Path, make: int | None) -> tuple[int, Path]:
    names, links = list(reversed(path.parts[1:])), 0
    here = os.open("/", _FOLDER)
    try:
        shared = _is_shared(here)
        while names:
            name = names.pop()
            if make is not None and shared and not names:
                name = f"{name}-{secrets.token_hex(8)}"
                path = path.with_name(name)
            try:
                below = os.open(name, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if make is None or (shared and os.geteuid() == 0):
                    raise
                with contextlib.suppress(FileExistsError):  # another process was quicker
                    os.mkdir(name, make, dir_fd=here)
                below = os.open(name, _FOLDER, dir_fd=here)
            except OSError:
                target = Path(os.readlink(name, dir_fd=here))  # another OSError if it is no link
                links += 1
                if shared or links > _MOST_LINKS:
                    raise _refusal(name) from None
                names += reversed(target.parts[target.is_absolute() :])
                below = os.open("/" if target.is_absolute() else ".", _FOLDER, dir_fd=here)
            os.close(here)
            here = below
            shared = _is_shared(here)
        if shared:
            raise _refusal(path)
    except BaseException:
        os.close(here)
        raise
    return here, path


def _is_shared(descriptor: int) -> bool:
    """Whether others can add entries to the folder, and no more; an OSError if they can do more."""
    info, trusted = os.fstat(descriptor), _trusted()
    writable = bool(info.st_mode & 0o002)
    if info.st_mode & 0o020 and not writable:
        writable = not _members(info.st_gid) <= trusted or _has_access_list(descriptor)
    if info.st_uid not in trusted or (writable and not info.st_mode & stat.S_ISVTX):
        raise _refusal(descriptor)
    return writable


def _refusal(what: object) -> OSError:
    return PermissionError(errno.EPERM, "others could change it", str(what))


def _trusted() -> set[int]:
    """The users whose code runs here anyway."""
    users = {0, os.geteuid()}
    with contextlib.suppress(OSError):  # the package lies in a zip
        users.add(os.stat(__file__).st_uid)
    return users


@functools.cache
def _members(group: int) -> set[int]:
    """The users in a group.  A group of unknown members has a member -1, which is never trusted.

    With umask 002, which is usual where every user has a private group, all folders are writable by that group.
    """
    import grp
    import pwd

    try:
        entry = grp.getgrgid(group)
        members = {pwd.getpwnam(name).pw_uid for name in entry.gr_mem}
    except KeyError:
        return {-1}
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_gid == group}
    with contextlib.suppress(KeyError):  # a user's own group has the user's name; a directory service may not list its users
        owner = pwd.getpwnam(entry.gr_name)
        if owner.pw_gid == group:
            members.add(owner.pw_uid)
    return members or {-1}


def _has_access_list(descriptor: int) -> bool:
    """Whether Linux lets further users in, whose rights the mode shows as the group's."""
    try:
        os.getxattr(f"/proc/self/fd/{descriptor}", "system.posix_acl_access")
    except (AttributeError, OSError):
        return False
    return True
