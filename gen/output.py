"""Folders of builds: a new build replaces the old one as a transaction, whole or not at all, and leaves
every other file of the folder alone.

A build works in a folder inside of its output folder, :data:`WORK`: ``new`` has the files of the new build,
and ``old`` takes the files that they replace. Files are moved one after another, the old manifest first and
the new manifest last, so a folder has a manifest only while all files of that build are there.
:func:`_settle` commits the transaction if the new manifest is in its place and rolls it back if not. It may
itself be stopped anywhere: the next build settles what a killed build has left.
"""

import hashlib
import json
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

from gen.command import UserError


try:
    import fcntl
except ModuleNotFoundError: # Windows has none; there, two builds into one folder are not kept apart
    fcntl = None


__all__ = ["MANIFEST", "PAGE", "WORK", "OutputError", "folder", "identity"]


MANIFEST = "manifest.json"

#: The page of the reports, which can be made again of these (:mod:`gen.report`) and so may differ.
PAGE = "report/summary.html"

#: The folder in which a build works, inside of its output folder.
WORK = ".spincim"

#: Seconds for which a build waits for the lock of its folder: a program that a build was starting when it
#: was killed holds the lock until it runs.
PATIENCE_S = 2.0

#: Reports of simulations: no files of the build, but valid for its design alone.
SIMULATED = ("report/rtlsim_performance.json", "report/power.json")

#: Files of builds of versions whose manifest does not list them.
_UNLISTED = (
    "config.json", "ir.json", "rtl/accelerator.v", "rtl/*_array_[0-9]*.hex", "rtl/*_scales.hex",
    "constraints/accelerator.sdc", "constraints/ecp5.lpf", "report/crossbar_map.json",
    "report/method_costs.json", "report/estimate_layer_cycles.json",
    "report/estimate_network_performance.json", "report/synth_ecp5.json", "synth/pins.v",
    "synth/yosys.log", "synth/nextpnr.json", "synth/nextpnr.log", "synth/nextpnr.out",
)


class OutputError(UserError):
    """A folder cannot be written; the message has the way out."""


@contextmanager
def folder(path: Path, kind: str = "accelerator"):
    """Yield a folder whose contents, with a manifest among them, are moved to ``path`` when the block of
    ``with`` ends well.

    The contents replace the files of an earlier build of that ``kind``, accelerator or block, in ``path``,
    and no other file. The manifest is given ``files``, the SHA-256 of each other file, and ``build``, the
    :func:`identity` of the design. A report of a simulation of the earlier design is renamed, with the
    first digits of the identity of that design. After an error or Ctrl-C, ``path`` is as it was before.

    Raises
    ------
    OutputError
        If ``path`` cannot be written, holds files but no build, or one of another kind, or has a build that
        was changed by hand.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        lock = _begin(path, kind)
    except OSError as error:
        _remove_empty(missing)
        raise OutputError(f"Folder {path} cannot be written ({error.strerror}); choose another "
                          f"with --out") from None
    try:
        yield path / WORK / "new"
        _seal(path / WORK / "new")
        _replace(path, kind)
    finally:
        try:
            _settle(path)
        finally:
            _unlock(lock)
            _remove_empty(missing)


def _begin(path, kind):
    """Lock ``path`` for this process, settle what a killed build has left, and make :data:`WORK`."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"Output {path} is a file; choose a folder with --out")
    path.mkdir(parents=True, exist_ok=True)
    lock = _lock(path) if fcntl else None
    try:
        _settle(path)
        _replaceable(path, kind)
        (path / WORK / "new").mkdir(parents=True)
    except BaseException:
        _unlock(lock)
        raise
    return lock


def _lock(path):
    """Lock ``path``; the system releases the lock when the process ends, however that is."""
    lock = os.open(path, os.O_RDONLY)
    end  = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.02)
                continue
            os.close(lock)
            raise OutputError(f"Folder {path} is being written by another build; wait for it, or choose "
                              f"another with --out") from None
        except OSError:
            pass # a file system that has no locks
        return lock


def _unlock(lock):
    if lock is not None:
        os.close(lock)


def _replaceable(path, kind):
    """Return the names of the files of the build in ``path``; refuse what is no build, is of another kind
    or was changed."""
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
    found = "block" if "block" in manifest else "accelerator"
    if found != kind:
        raise OutputError(f"Folder {path} has {'a' if found == 'block' else 'an'} {found} and is left "
                          f"alone; choose another with --out, or empty it")
    if "files" not in manifest:
        found = {file for pattern in _UNLISTED for file in path.glob(pattern)}
        return [MANIFEST, *sorted(file.relative_to(path).as_posix() for file in found)]
    if manifest.get("build") != identity(manifest):
        changed = [MANIFEST]
    else:
        files   = {name: path / name for name in manifest["files"] if (path / name).exists()}
        changed = [name for name, file in files.items()
                   if name != PAGE and _hash(file) != manifest["files"][name]]
    if changed:
        raise OutputError(f"Folder {path} has what was changed by hand since it was built: "
                          f"{', '.join(changed)}; move it elsewhere, or choose another folder with --out")
    return [MANIFEST, *files]


def _seal(new):
    """Give the manifest in ``new`` the hashes of the files beside it, and its identity."""
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


def _replace(path, kind):
    """Move the files of the old build out of ``path`` and those of the new build in."""
    new, old = path / WORK / "new", path / WORK / "old"
    before, after = _replaceable(path, kind), _files(new)
    for name in after:
        if name not in before and (path / name).exists():
            raise OutputError(f"File {path / name} is none of the build that it is in, but in the way of "
                              f"the new one; move it elsewhere, or choose another folder with --out")
    old.mkdir()
    for name in [*before, *SIMULATED]:
        if (path / name).exists():
            _move(path / name, old / name)
    for name in after:
        if name != MANIFEST:
            _move(new / name, path / name)
    _move(new / MANIFEST, path / MANIFEST)


def _settle(path):
    """Commit or roll back what :func:`_replace` has begun, if anything, and remove the folder of work."""
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
        for name in SIMULATED:
            if (old / name).exists():
                simulated = path / name
                _move(old / name, simulated if _name(old) == _name(path) else simulated.with_name(
                    f"{simulated.stem}_{_name(old)[:8]}.json"))
        _remove_empty({(path / name).parent for name in _files(old)})
    # `old` is removed first: without it there is nothing to roll back.
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(path / WORK, ignore_errors=True)


def _name(folder):
    """Return the identity of the design in ``folder``, or the hash of a manifest that states none."""
    manifest = folder / MANIFEST
    return json.loads(manifest.read_text()).get("build") or _hash(manifest)


def _move(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _files(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _remove_empty(folders):
    """Remove those of ``folders`` that are empty."""
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        try:
            folder.rmdir()
        except OSError:
            pass # the folder is not empty
