"""Networks from the compiler, which runs as a command."""

import os

import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden.compiler import CompileError, compiled


def test_equals_the_compiler(random_network, tmp_path, write_checkpoint, monkeypatch):
    """Wherever it is called, and with a PYTHONPATH as well as without."""
    from gen.checkpoint import read
    from gen.networks import NETWORKS

    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, NETWORKS["lenet5"])
    monkeypatch.chdir(tmp_path)
    expected = compile_network(read(path, NETWORKS["lenet5"]), Target(passes=7, seed=3))
    for value in ("elsewhere", ""):
        monkeypatch.setitem(os.environ, "PYTHONPATH", value)
        assert compiled("lenet5", path, passes=7, seed=3) == expected


@pytest.mark.parametrize("options, message", [
    ({"passes": 0}, "The number of passes must be from 1 to the largest, 32, not 0"),
    ({"checkpoint": "nowhere.npz"}, "Checkpoint nowhere.npz does not exist; make it again with: "
                                    "python -m golden.train lenet5 --data DIR"),
])
def test_refusal(options, message):
    with pytest.raises(CompileError) as error:
        compiled("lenet5", **options)
    assert str(error.value) == message
