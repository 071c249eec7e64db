import pytest

from bench import speed


def test_help_builds_nothing(monkeypatch, capsys):
    monkeypatch.setattr(speed, "build", lambda *_: pytest.fail("a build was begun"))
    for arguments, status in ((["--help"], 0), (["--images"], 2)):
        with pytest.raises(SystemExit) as stop:
            speed.main(arguments)
        assert stop.value.code == status
    assert "usage: bench.speed [-h]" in capsys.readouterr().out
