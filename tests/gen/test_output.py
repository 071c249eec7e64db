import json

import pytest

from gen.output import OutputError, folder


def make_build(path, content="old"):
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps({"generator": "spincim"}))
    (path / "file").write_text(content)


def names(path):
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("path", ["build", "deep/below/build"])
def test_appears_whole(tmp_path, path):
    out = tmp_path / path
    with folder(out) as directory:
        (directory / "file").write_text("new")
        assert not out.exists()
    assert (out / "file").read_text() == "new"
    assert out.stat().st_mode & 0o777 == 0o755
    assert names(out.parent) == ["build"]


def test_replaces_an_old_build(tmp_path):
    out = tmp_path / "build"
    make_build(out)
    (out / "left over").touch()
    with folder(out) as directory:
        (directory / "file").write_text("new")
        assert (out / "file").read_text() == "old"
    assert names(out) == ["file"]
    assert names(tmp_path) == ["build"]


def test_fills_an_empty_folder(tmp_path):
    (tmp_path / "build").mkdir()
    with folder(tmp_path / "build") as directory:
        (directory / "file").touch()
    assert names(tmp_path / "build") == ["file"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False])
def test_error_leaves_everything_as_it_was(tmp_path, old, error):
    if old:
        make_build(tmp_path / "build")
    with pytest.raises(error):
        with folder(tmp_path / "build") as directory:
            (directory / "file").write_text("new")
            raise error
    assert names(tmp_path) == ["build"] * old
    assert not old or (tmp_path / "build" / "file").read_text() == "old"


def test_error_while_it_takes_its_place(tmp_path, monkeypatch):
    out = tmp_path / "build"
    make_build(out)
    rename = type(out).rename

    def failing(self, target):
        if target == out and ".old" not in self.name:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(out), "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        with folder(out):
            pass
    assert names(tmp_path) == ["build"]
    assert (out / "file").read_text() == "old"


@pytest.mark.parametrize("manifest", [None, "{}", "no JSON", "[]", '{"generator": "other"}'])
def test_leaves_other_folders_alone(tmp_path, manifest):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").touch()
    if manifest is not None:
        (tmp_path / "thesis" / "manifest.json").write_text(manifest)
    before = names(tmp_path / "thesis")
    with pytest.raises(OutputError, match=f"^Folder {tmp_path}/thesis was not made by a build and is "
                                          f"left alone; choose another with --out, or empty it$"):
        with folder(tmp_path / "thesis"):
            pass
    assert names(tmp_path / "thesis") == before


def test_refuses_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"^Output {tmp_path}/file is a file; choose a folder with "
                                          f"--out$"):
        with folder(tmp_path / "file"):
            pass


@pytest.mark.parametrize("below, why", [("build", "File exists"), ("deep/build", "Not a directory")])
def test_cannot_be_written(tmp_path, below, why):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=rf"^Folder {tmp_path}/file/{below} cannot be written "
                                          rf"\({why}\); choose another with --out$"):
        with folder(tmp_path / "file" / below):
            pass
