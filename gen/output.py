"""Folders of builds: a new build takes the place of the old one whole or not at all, and nothing else in
the folder is touched.

A build works in a folder inside of its own, :data:`WORK`: ``new`` takes what it writes, and ``old`` what
that replaces. Files are moved one after another, the old manifest first and the new one last, so a folder
has a manifest only while all files of it are there. :func:`_settle` ends what was begun, forwards when
the new manifest is in its place and backwards when it is not, and may itself be stopped anywhere: what a
build that was killed has left, the next one settles.
"""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from gen.command import UserError


try:
    import fcntl
except ModuleNotFoundError: # Windows has none; there, two builds into one folder are not kept apart
    fcntl = None


__all__ = ["MANIFEST", "WORK", "OutputError", "folder", "identity"]


MANIFEST = "manifest.json"

#: Where a build works inside of its folder.
WORK = ".spincim"

#: A report of a simulation, which is not of the build but of this design alone.
SIMULATED = "report/rtlsim_performance.json"

#: What builds wrote before manifests listed it.
_UNLISTED = (
    "config.json", "ir.json", "rtl/accelerator.v", "rtl/*_array_[0-9]*.hex", "rtl/*_scales.hex",
    "constraints/accelerator.sdc", "constraints/ecp5.lpf", "report/crossbar_map.json",
    "report/method_costs.json", "report/estimate_layer_cycles.json",
    "report/estimate_network_performance.json", "report/synth_ecp5.json", "synth/pins.v",
    "synth/yosys.log", "synth/nextpnr.json", "synth/nextpnr.log", "synth/nextpnr.out",
)


class OutputError(UserError):
    """A folder that cannot be written, with the way out in its message."""


@contextmanager
def folder(path: Path):
    """Yield a folder whose contents, with a manifest among them, go to ``path`` when the block ends well.

    They replace the files of an earlier build there, and no other file. The manifest is given ``files``,
    the SHA-256 of each other file, and ``build``, a hash of all of it that names this design. A report of
    a simulation of another design gets the first digits of that design's hash in its name. After an error
    or Ctrl-C, ``path`` is as it was before.

    Raises
    ------
    OutputError
        If ``path`` cannot be written, holds what no build made, or was changed since it was built.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        lock = _begin(path)
    except OSError as error:
        _remove_empty(missing)
        raise OutputError(f"Folder {path} cannot be written ({error.strerror}); choose another "
                          f"with --out") from None
    try:
        yield path / WORK / "new"
        _seal(path / WORK / "new")
        _replace(path)
    finally:
        try:
            _settle(path)
        finally:
            _unlock(lock)
            _remove_empty(missing)


def _begin(path):
    """Lock ``path`` for this process, settle what another has left, and make the folder to work in."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"Output {path} is a file; choose a folder with --out")
    path.mkdir(parents=True, exist_ok=True)
    lock = _lock(path) if fcntl else None
    try:
        _settle(path)
        _replaceable(path)
        (path / WORK / "new").mkdir(parents=True)
    except BaseException:
        _unlock(lock)
        raise
    return lock


def _lock(path):
    """Lock ``path``; the lock goes with the process, however it ends."""
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OutputError(f"Folder {path} is being written by another build; wait for it, or choose "
                          f"another with --out") from None
    except OSError:
        pass # a file system that has no locks
    return lock


def _unlock(lock):
    if lock is not None:
        os.close(lock)


def _replaceable(path):
    """Names of the files in ``path`` that a build has written."""
    if not any(entry.name != WORK for entry in path.iterdir()):
        return []
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        known = manifest["generator"] == "spincim"
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise OutputError(f"Folder {path} was not made by a build and is left alone; choose another with "
                          f"--out, or empty it")
    if "files" not in manifest:
        found = {file for pattern in _UNLISTED for file in path.glob(pattern)}
        return [MANIFEST, *sorted(file.relative_to(path).as_posix() for file in found)]
    if manifest.get("build") != identity(manifest):
        changed = [MANIFEST]
    else:
        files   = {name: path / name for name in manifest["files"] if (path / name).exists()}
        changed = [name for name, file in files.items() if _hash(file) != manifest["files"][name]]
    if changed:
        raise OutputError(f"Folder {path} has what was changed by hand since it was built: "
                          f"{', '.join(changed)}; move it elsewhere, or choose another folder with --out")
    return [MANIFEST, *files]


def _seal(new):
    """List in the manifest of ``new`` the files beside it."""
    manifest = json.loads((new / MANIFEST).read_text())
    manifest["files"] = {name: _hash(new / name) for name in _files(new) if name != MANIFEST}
    manifest["build"] = identity(manifest)
    (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def identity(manifest: dict) -> str:
    """Return the hash that names the design of ``manifest``, which has it as ``build``."""
    others = {name: value for name, value in manifest.items() if name != "build"}
    return hashlib.sha256(json.dumps(others).encode()).hexdigest()


def _hash(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _replace(path):
    """Move the old files out of their places and the new ones in."""
    new, old = path / WORK / "new", path / WORK / "old"
    before, after = _replaceable(path), _files(new)
    for name in after:
        if name not in before and (path / name).exists():
            raise OutputError(f"File {path / name} is none of the build that it is in, but in the way of "
                              f"the new one; move it elsewhere, or choose another folder with --out")
    old.mkdir()
    for name in [*before, SIMULATED]:
        if (path / name).exists():
            _move(path / name, old / name)
    for name in after:
        if name != MANIFEST:
            _move(new / name, path / name)
    _move(new / MANIFEST, path / MANIFEST)


def _settle(path):
    """End what :func:`_replace` has begun, if it has, and remove the folder of work."""
    new, old = path / WORK / "new", path / WORK / "old"
    if old.exists() and (new / MANIFEST).exists():
        after = json.loads((new / MANIFEST).read_text())["files"]
        for name in after:
            if not (new / name).exists() and (path / name).exists():
                _move(path / name, new / name)
        _remove_empty({(path / name).parent for name in after})
        for name in sorted(_files(old), key=MANIFEST.__eq__):
            _move(old / name, path / name)
    elif old.exists():
        if (old / SIMULATED).exists():
            simulated = path / SIMULATED
            _move(old / SIMULATED, simulated if _name(old) == _name(path) else simulated.with_name(
                f"{simulated.stem}_{_name(old)[:8]}.json"))
        _remove_empty({(path / name).parent for name in _files(old)})
    # `old` goes first: without it there is nothing to undo.
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(path / WORK, ignore_errors=True)


def _name(folder):
    """The hash that names the design in ``folder``; of its manifest, if that has none."""
    manifest = folder / MANIFEST
    return json.loads(manifest.read_text()).get("build") or _hash(manifest)


def _move(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _files(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _remove_empty(folders):
    """Remove those of ``folders`` that are empty."""
    for one in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        try:
            one.rmdir()
        except OSError:
            pass # it is not
