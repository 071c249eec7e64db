import json

import pytest

from golden.kept import keep, kept


def test_what_is_kept_comes_back(tmp_path):
    """Of the same question alone, whatever the order of its parts."""
    folder = tmp_path / "points"
    assert kept(folder, {"a": 1}) is None
    keep(folder, {"a": 1, "b": [2]}, {"found": 0.5})
    assert kept(folder, {"b": [2], "a": 1}) == {"found": 0.5}
    assert kept(folder, {"a": 1, "b": [3]}) is None


@pytest.mark.parametrize("damaged", [
    "", "[]", "{}", "null", "[" * 100_000, '{"asked": {"a": 1}, "found": 3}',
    '{"asked": {"a": 2}, "found": {}}'])
def test_damaged_files_hold_nothing(tmp_path, damaged):
    keep(tmp_path, {"a": 1}, {})
    path, = tmp_path.iterdir()
    assert json.loads(path.read_text()) == {"asked": {"a": 1}, "found": {}}
    path.write_text(damaged)
    assert kept(tmp_path, {"a": 1}) is None
