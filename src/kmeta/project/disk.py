"""Files and folders written so that a reader sees the old or the new, never a part: beside, fsync, rename, fsync.

Every write, fsync and rename of this room goes through here; the tests make each of them fail in turn.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from kmeta.core.errors import InputError, ProjectError, StoreError

# Names of things being made; one left by a killed process is never read.
SCRATCH = ".kmeta-"
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_MAKING = re.compile(re.escape(SCRATCH) + r"(.+)-[0-9a-f]{16}")
_ASIDE = ".old"
_DAY = 86_400
_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*\\]')


@contextlib.contextmanager
def told(path: Path, doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into a StoreError that says where, what and what to do."""
    try:
        yield
    except OSError as error:
        raise refused(error, path, doing) from error


def refused(error: OSError, path: Path, doing: str) -> StoreError:
    """The StoreError of an OSError."""
    # Where it was to be, not where it was in the making.
    where = _MAKING.sub(r"\1", str(getattr(error, "filename", None) or path))
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StoreError(
            f"the disk is full while {doing}",
            where=where,
            hint="nothing was half-written: free some space and run the command again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"no permission while {doing}",
            where=where,
            hint="check who owns the folder and whether it is read-only",
        )
    words = os.strerror(error.errno) if error.errno else str(error)
    return StoreError(f"{words} while {doing}", where=where, hint="nothing was half-written; check the disk")


def write_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole: the old file or the new, whatever happens."""
    with told(path, f"writing {path.name}"):
        beside = path.with_name(f"{SCRATCH}{secrets.token_hex(8)}")
        try:
            _write_new(beside, data)
            os.replace(beside, path)  # noqa: PTH105 (one name for every rename, so that tests can make it fail)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        fsync_folder(path.parent)


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (relative name -> bytes) under `folder`, which nobody reads yet, and make them last."""
    folders = {folder}
    for name, data in files.items():
        path = folder / name
        with told(path, f"writing {name}"):
            for parent in reversed(path.relative_to(folder).parents):
                (folder / parent).mkdir(exist_ok=True)
                folders.add(folder / parent)
            _write_new(path, data)
    for made in sorted(folders, reverse=True):
        with told(made, "writing"):
            fsync_folder(made)


@contextlib.contextmanager
def scratch(beside: Path, owned: Collection[str] | None = None) -> Iterator[Path]:
    """A new folder in the folder of `beside`, gone at the end unless it was renamed.

    With `owned`, only what bears one of these names is removed: all else that came into it is somebody's.
    """
    with told(beside.parent, f"making {beside.name}"):
        made = beside.with_name(f"{SCRATCH}{beside.name}-{secrets.token_hex(8)}")
        made.mkdir()
    try:
        yield made
    finally:
        remove(made, owned)


def remove(folder: Path, owned: Collection[str] | None = None) -> None:
    """Remove a folder, or what in it bears one of the names; what cannot be removed stays."""
    if owned is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in owned:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def place(new: Path, target: Path) -> None:
    """Rename the folder `new` to `target`, which must be absent or empty."""
    with told(target, f"placing {target.name}"):
        if target.exists():
            # A folder cannot be renamed over another everywhere; an empty one holds nothing to lose.
            target.rmdir()
        os.replace(new, target)  # noqa: PTH105
        fsync_folder(target.parent)


def swap(new: Path, target: Path) -> None:
    """Exchange the folders: afterwards `target` is the new one and `new` the old one; an error undoes it.

    One step where the system offers it (Linux, macOS); else two renames, the first undone when the second fails.
    """
    with told(target, f"placing {target.name}"):
        _exchange_or_rename(new, target)
        try:
            fsync_folder(target.parent)
        except BaseException:
            _exchange_or_rename(new, target)
            raise


def _exchange_or_rename(new: Path, target: Path) -> None:
    if _exchange(new, target):
        return
    aside = new.with_name(new.name + _ASIDE)
    os.replace(target, aside)  # noqa: PTH105
    try:
        os.replace(new, target)  # noqa: PTH105
    except BaseException:
        os.replace(aside, target)  # noqa: PTH105
        raise
    os.replace(aside, new)  # noqa: PTH105


def recover(target: Path) -> None:
    """Where a process was killed between the two renames of `swap`, put the old folder back."""
    if target.exists() or not target.parent.is_dir():
        return
    for aside in sorted(target.parent.glob(f"{SCRATCH}{glob.escape(target.name)}-*{_ASIDE}")):
        with told(target, f"placing {target.name}"):
            os.replace(aside, target)  # noqa: PTH105
            fsync_folder(target.parent)
        return


def writable(folder: Path) -> bool:
    """Whether this process may make files in the folder."""
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def fsync_folder(folder: Path) -> None:
    """Make renames in the folder last; Windows does so by itself and cannot open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_scratch(folder: Path, stem: str = "") -> None:
    """Remove what killed processes left in `folder`; call only where no other process can be making something."""
    for left in sorted(folder.glob(f"{SCRATCH}{glob.escape(stem)}*")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink()


def leftovers(target: Path) -> list[Path]:
    """Folders in the making of `target` that a killed process left beside it, or another is at work in."""
    return sorted(
        path
        for path in target.parent.glob(f"{SCRATCH}{glob.escape(target.name)}-*")
        if path.is_dir() and not path.is_symlink()
    )


def clear_old(target: Path, owned: Collection[str] | None = None) -> None:
    """Remove (as `remove` does) those leftovers that nobody can be at work in any more: a day old."""
    for left in leftovers(target):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - _DAY:
                remove(left, owned)


def checked_name(name: str) -> str:
    """A relative name that stays inside its folder on every system; InputError otherwise."""
    path = PurePosixPath(name)
    parts = name.split("/")
    bad = (
        not name
        or len(name.encode("utf-8", "replace")) > 240
        or path.is_absolute()
        or any(part in ("", ".", "..") or part.endswith((".", " ")) for part in parts)
        or any(_RESERVED.fullmatch(part) for part in parts)
        or parts[0].startswith(SCRATCH)
        or bool(_UNSAFE.search(name))
    )
    if bad:
        raise InputError(
            f"{name!r} is no name for a file here", hint="a relative name such as figures/forest.svg"
        )
    return name


def read_file(path: Path, most: int) -> bytes:
    """The bytes of a file that is no link and no larger than `most`."""
    with told(path, f"reading {path.name}"):
        if path.is_symlink() or not path.is_file():
            raise ProjectError("is not a file", where=str(path))
        size = path.stat().st_size
        if size > most:
            raise ProjectError(f"has {size:,} bytes; at most {most:,} are read", where=str(path))
        return path.read_bytes()


def _write_new(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view[: 1 << 24]) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where this system or file system cannot."""
    at_cwd, exchange = (-2, 2) if sys.platform == "darwin" else (-100, 2)
    name = {"linux": "renameat2", "darwin": "renameatx_np"}.get(sys.platform)
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name) if name else None
    except (AttributeError, OSError):
        call = None
    if call is None:
        return False
    if call(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), ctypes.c_uint(exchange)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))
