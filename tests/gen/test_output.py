import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from gen import output
from gen.output import MANIFEST, SIMULATED, WORK, OutputError, folder


FIRST  = {"rtl/accelerator.v": "one", "rtl/conv1_scales.hex": "1", "synth/yosys.log": "fine"}
SECOND = {"rtl/accelerator.v": "two", "rtl/fc1_scales.hex": "2", "report/costs.json": "{}"}


def write(directory, files):
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    (directory / MANIFEST).write_text('{"generator": "spincim", "top": "accelerator"}')


def make(out, files):
    with folder(out) as directory:
        write(directory, files)


def contents(path):
    """Every file below, with its content; the manifest by what it lists."""
    files = {file.relative_to(path).as_posix(): file.read_text()
             for file in path.rglob("*") if file.is_file()}
    if MANIFEST in files:
        files[MANIFEST] = sorted(json.loads(files[MANIFEST]).get("files", {}))
    return files


def whole(files):
    return files | {MANIFEST: sorted(files)}


def folders(path):
    return {entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_dir()}


@pytest.mark.parametrize("path", ["build", "deep/below/build"])
def test_appears_whole(tmp_path, path):
    out = tmp_path / path
    with folder(out) as directory:
        write(directory, FIRST)
        assert [entry.name for entry in out.iterdir()] == [WORK]
    assert contents(out) == whole(FIRST)
    assert folders(out) == {"rtl", "synth"}
    assert out.stat().st_mode & 0o777 == 0o755


def test_manifest_lists_and_names_what_was_written(tmp_path):
    builds = []
    for name, files in (("a", FIRST), ("b", FIRST), ("c", SECOND)):
        make(tmp_path / name, files)
        manifest = json.loads((tmp_path / name / MANIFEST).read_text())
        assert manifest["files"] == {
            file: hashlib.sha256(text.encode()).hexdigest() for file, text in files.items()}
        assert re.fullmatch("[0-9a-f]{64}", manifest["build"])
        builds.append(manifest["build"])
    assert builds[0] == builds[1] != builds[2]


def test_replaces_what_a_build_wrote_and_nothing_else(tmp_path):
    out = tmp_path / "build"
    make(out, FIRST)
    mine = {"notes.txt": "mine", "rtl/bench.v": "mine", "sim_build/shards/0/results.txt": "kept"}
    for name, content in mine.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content)
    with folder(out) as directory:
        write(directory, SECOND)
        assert (out / "rtl" / "accelerator.v").read_text() == "one"
    assert contents(out) == whole(SECOND) | mine
    assert "synth" not in folders(out)
    assert [entry.name for entry in tmp_path.iterdir()] == ["build"]


def test_simulation_of_another_design_is_set_aside(tmp_path):
    out = tmp_path / "build"
    make(out, FIRST)
    first = json.loads((out / MANIFEST).read_text())["build"]
    (out / "report").mkdir()
    for name in SIMULATED:
        (out / name).write_text("figures")
    make(out, FIRST)
    assert contents(out) == whole(FIRST) | dict.fromkeys(SIMULATED, "figures")
    make(out, SECOND)
    assert contents(out) == whole(SECOND) | {
        f"report/{name}_{first[:8]}.json": "figures" for name in ("rtlsim_performance", "power")}


def test_build_of_a_version_that_listed_nothing(tmp_path):
    old = {"rtl/accelerator.v": "", "rtl/conv1_array_0.hex": "", "rtl/conv1_scales.hex": "", "ir.json": "",
           "config.json": "", "constraints/ecp5.lpf": "", "report/crossbar_map.json": "",
           "synth/nextpnr.log": ""}
    mine = {"rtl/bench.v": "", "report/thoughts.md": "", "rtl/my_array_x.hex": ""}
    write(tmp_path / "build", old | mine)
    before = hashlib.sha256((tmp_path / "build" / MANIFEST).read_bytes()).hexdigest()
    (tmp_path / "build" / SIMULATED[0]).write_text("figures")
    make(tmp_path / "build", SECOND)
    assert contents(tmp_path / "build") == whole(SECOND) | mine | {
        f"report/rtlsim_performance_{before[:8]}.json": "figures"}


def test_fills_an_empty_folder(tmp_path):
    (tmp_path / "build").mkdir()
    make(tmp_path / "build", FIRST)
    assert contents(tmp_path / "build") == whole(FIRST)


def test_here_and_through_a_link(tmp_path, monkeypatch):
    """A build replaces the files there, as neither "." nor a link can be renamed."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.chdir(tmp_path / "link")
    make(tmp_path / "link", FIRST)
    make(type(tmp_path)("."), SECOND)
    assert contents(tmp_path / "there") == whole(SECOND)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False])
def test_error_leaves_everything_as_it_was(tmp_path, old, error):
    if old:
        make(tmp_path / "deep" / "build", FIRST)
    with pytest.raises(error):
        with folder(tmp_path / "deep" / "build") as directory:
            write(directory, SECOND)
            raise error
    assert contents(tmp_path) == ({f"deep/build/{name}": text for name, text in FIRST.items()} | {
        "deep/build/manifest.json": contents(tmp_path)["deep/build/manifest.json"]} if old else {})
    assert folders(tmp_path) == ({"deep", "deep/build", "deep/build/rtl", "deep/build/synth"} if old
                                 else set())


class Killed(BaseException):
    """The process is gone: nothing more is done."""


def killed_at(monkeypatch, move):
    """Let the process be killed at move number ``move``."""
    moved = iter(range(move))
    original = output._move

    def failing(source, target):
        if next(moved, None) is None:
            raise Killed
        original(source, target)

    monkeypatch.setattr(output, "_move", failing)


def unless_killed(path, settle=output._settle):
    if not (path / WORK).exists():
        settle(path)


@pytest.mark.parametrize("old", [FIRST, None])
def test_killed_at_every_move(tmp_path, old):
    """A build that was killed is settled by the next one, or by the one after if that is killed too; until
    then the folder has no manifest, or one of the old or the new build and all that this lists."""
    ends = []
    for first in range(10):
        for second in range(10):
            out = tmp_path / f"{first}_{second}"
            if old:
                make(out, old)
                (out / "notes").write_text("mine")
            with pytest.MonkeyPatch.context() as patch:
                killed_at(patch, first)
                # Nobody settles for one that is killed.
                patch.setattr(output, "_settle", unless_killed)
                with contextlib.suppress(Killed):
                    make(out, SECOND)
            present = contents(out)
            assert MANIFEST not in present or set(present[MANIFEST]) <= set(present)
            with pytest.MonkeyPatch.context() as patch:
                killed_at(patch, second)
                with contextlib.suppress(Killed):
                    output._settle(out)
            output._settle(out)
            mine = {"notes": "mine"} if old else {}
            after = contents(out)
            ends.append(after == whole(SECOND) | mine)
            assert ends[-1] or after == (whole(old) | mine if old else {})
            assert not (out / WORK).exists()
    assert set(ends) == {True, False}


def test_error_while_files_are_moved(tmp_path, monkeypatch):
    make(tmp_path / "build", FIRST)
    replace = type(tmp_path).replace

    def failing(self, target):
        if target == tmp_path / "build" / "rtl" / "fc1_scales.hex":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", failing)
    with pytest.raises(OSError, match="No space left on device"):
        make(tmp_path / "build", SECOND)
    assert contents(tmp_path / "build") == whole(FIRST)


def refused(path, message):
    before = contents(path) if path.is_dir() else None
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        with folder(path):
            raise AssertionError("it is not refused at once")
    assert before is None or contents(path) == before


@pytest.mark.parametrize("manifest", [None, "{}", "no JSON", "[]", '{"generator": "other"}'])
def test_leaves_other_folders_alone(tmp_path, manifest):
    (tmp_path / "chapter").touch()
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match=f"^Folder {tmp_path} was not made by a build and is left alone; "
                                          f"choose another with --out, or empty it$"):
        with folder(tmp_path):
            pass
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["rtl/accelerator.v", MANIFEST])
def test_refuses_what_was_changed_by_hand(tmp_path, name):
    make(tmp_path, FIRST)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("one", "mine").replace('"top"', '"mine"'))
    refused(tmp_path, f"Folder {tmp_path} has what was changed by hand since it was built: {name}; move it "
                      f"elsewhere, or choose another folder with --out")


def test_replaces_a_build_of_which_files_were_removed(tmp_path):
    make(tmp_path, FIRST)
    (tmp_path / "rtl" / "accelerator.v").unlink()
    make(tmp_path, SECOND)
    assert contents(tmp_path) == whole(SECOND)


def test_refuses_what_is_changed_meanwhile(tmp_path):
    make(tmp_path, FIRST)
    with pytest.raises(OutputError, match="changed by hand since it was built: synth/yosys.log; "):
        with folder(tmp_path) as directory:
            write(directory, SECOND)
            (tmp_path / "synth" / "yosys.log").write_text("mine")
    assert contents(tmp_path) == whole(FIRST | {"synth/yosys.log": "mine"})


def test_refuses_a_file_in_the_way(tmp_path):
    make(tmp_path, FIRST)
    (tmp_path / "rtl" / "fc1_scales.hex").write_text("mine")
    with pytest.raises(OutputError, match=f"^File {tmp_path}/rtl/fc1_scales.hex is none of the build that "
                                          f"it is in, but in the way of the new one; move it elsewhere, or "
                                          f"choose another folder with --out$"):
        make(tmp_path, SECOND)
    assert contents(tmp_path) == whole(FIRST) | {"rtl/fc1_scales.hex": "mine"}


def test_refuses_a_file(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "file", f"Output {tmp_path}/file is a file; choose a folder with --out")


@pytest.mark.parametrize("below", ["build", "deep/build"])
def test_cannot_be_written(tmp_path, below):
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / below, f"Folder {tmp_path}/file/{below} cannot be written (Not a "
                                       f"directory); choose another with --out")


def test_folder_that_is_read_only(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "build").mkdir()
    monkeypatch.setattr(type(tmp_path), "mkdir", denied)
    refused(tmp_path / "build", f"Folder {tmp_path}/build cannot be written (Permission denied); choose "
                                f"another with --out")


def test_another_kind_of_build_is_left_alone(tmp_path):
    make(tmp_path / "whole", FIRST)
    whole_before = contents(tmp_path / "whole")
    with pytest.raises(OutputError, match=f"^Folder {tmp_path}/whole has an accelerator and is left alone; "
                                          "choose another with --out, or empty it$"):
        with folder(tmp_path / "whole", "block"):
            raise AssertionError("it is not refused at once")
    assert contents(tmp_path / "whole") == whole_before
    for name in "one", "two": # a block replaces a block
        with folder(tmp_path / "block", "block") as directory:
            (directory / MANIFEST).write_text(json.dumps(
                {"generator": "spincim", "top": name, "block": name}))
    refused(tmp_path / "block", f"Folder {tmp_path}/block has a block and is left alone; choose another "
                                f"with --out, or empty it")


def test_one_build_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "PATIENCE_S", 0.1)
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    refused(tmp_path, f"Folder {tmp_path} is being written by another build; wait for it, or choose "
                      f"another with --out")
    os.close(other)
    make(tmp_path, FIRST)
    assert contents(tmp_path) == whole(FIRST)


def test_a_lock_that_is_released_soon(tmp_path):
    """As by a program that a build was starting when it was killed."""
    with subprocess.Popen([sys.executable, "-c", "import fcntl, os, sys, time\n"
                           "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
                           "print(flush=True)\n"
                           "time.sleep(0.3)", str(tmp_path)], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        make(tmp_path, FIRST)
    assert contents(tmp_path) == whole(FIRST)


def test_a_system_without_such_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "fcntl", None)
    for files in (FIRST, SECOND):
        make(tmp_path / "build", files)
        assert contents(tmp_path / "build") == whole(files)
