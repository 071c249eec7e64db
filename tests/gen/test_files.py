import os

import pytest

from gen.files import FileError, refuse_overlap, refuse_unwritable, replacing, write_json


def test_replaces_when_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with replacing(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_no_folder(tmp_path):
    """It is made, unless a file is in its place."""
    for write in (refuse_unwritable, lambda path: write_json(path, 1)):
        path = tmp_path / write.__name__ / "new" / "file"
        write(path)
        assert path.parent.is_dir()
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "below"
        with pytest.raises(FileError, match=f"^File {path} cannot be written [(].*[)]; name another$"):
            write(path)


def test_write_json(tmp_path):
    write_json(tmp_path / "file.json", {"one": [1]})
    assert (tmp_path / "file.json").read_text() == '{\n "one": [\n  1\n ]\n}\n'


def test_refuse_unwritable_leaves_all_as_it_is(tmp_path):
    (tmp_path / "file").write_text("before")
    refuse_unwritable(tmp_path / "file")
    refuse_unwritable(tmp_path / "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    with pytest.raises(FileError, match="Is a directory"):
        refuse_unwritable(tmp_path)


def test_what_is_no_file_is_never_replaced(tmp_path):
    """A device such as /dev/null, or a pipe, would be gone for all."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for write in (refuse_unwritable, lambda path: write_json(path, 1)):
        with pytest.raises(FileError, match=f"^File {pipe} cannot be written [(]it is no regular file[)]"):
            write(pipe)
    assert pipe.is_fifo()


def test_a_link_leads_to_the_file(tmp_path):
    (tmp_path / "file").write_text("before")
    (tmp_path / "link").symlink_to("file")
    write_json(tmp_path / "link", 1)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "1\n"


def test_what_is_read_is_not_written_over(tmp_path):
    """By whatever name: a link, another way to the folder, or a file that is not there yet."""
    given, link, new = tmp_path / "given.npz", tmp_path / "link.npz", tmp_path / "new.csv"
    given.write_text("mine")
    link.symlink_to(given)
    hard = tmp_path / "hard.npz"
    hard.hardlink_to(given)
    refuse_overlap([new, None, tmp_path / "other.json"], [given, None])
    for outputs, inputs in (([given], [given]), ([link], [given]), ([hard], [given]),
                            ([tmp_path / "x" / ".." / "given.npz"], [given]), ([new, new], [])):
        with pytest.raises(FileError, match="it is another file of this command"):
            refuse_overlap(outputs, inputs)
