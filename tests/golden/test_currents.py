import json

import pytest

from gen.compile import compile_network
from gen.ir import Target
from gen.networks import NETWORKS
from golden.currents import currents, main
from golden.device.junction import Dac


def test_currents(random_network):
    network = compile_network(random_network(5, hidden=2), Target())
    report = currents(network)
    dac = Dac()
    assert report["dropout"] == [p for draw in network.draws for p in draw.drops]
    assert report["currents"] == [dac.write_code(p) for draw in network.draws for p in draw.drops]
    for code, p, q in zip(report["currents"], report["dropout"], report["switching_probability"],
                          strict=True):
        assert q == dac.probability(code)
        assert all(abs(p - q) <= abs(p - dac.probability(other)) for other in (code - 1, code + 1)
                   if 0 <= other < 2**dac.bits)


def test_command(tmp_path, write_checkpoint, capsys):
    write_checkpoint(tmp_path / "checkpoint.npz", NETWORKS["lenet5"])
    out = tmp_path / "currents.json"
    assert main(["lenet5", "--checkpoint", str(tmp_path / "checkpoint.npz"), "--json", str(out)]) == 0
    output = capsys.readouterr()
    codes = json.loads(out.read_text())["currents"]
    title, _, *rows = output.out.splitlines()
    assert title.split() == ["dropout", "code", "current", "in", "uA", "switching", "probability"]
    assert [int(row.split()[1]) for row in rows] == codes and len(codes) == 5
    assert output.err == "" and len(list(tmp_path.iterdir())) == 2


def test_older_checkpoint(tmp_path, write_checkpoint, capsys):
    """What the compiler says of it is said here as well."""
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, NETWORKS["lenet5"], padding=None)
    assert main(["lenet5", "--checkpoint", str(path), "--json", str(tmp_path / "out.json")]) == 0
    assert capsys.readouterr().err == (
        f"Checkpoint {path} does not state 'padding'; taken as 'lowest level'\n")


@pytest.mark.parametrize("name, reason", [("file/currents.json", "File exists"), (".", "Is a directory")])
def test_output_that_cannot_be_written(tmp_path, capsys, name, reason):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / name
    assert main(["lenet5", "--json", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"golden.currents: File {path} cannot be written ({reason}); name another\n")


def test_wrong_checkpoint(tmp_path, capsys):
    out = tmp_path / "currents.json"
    assert main(["lenet5", "--checkpoint", "nowhere.npz", "--json", str(out)]) == 2
    assert capsys.readouterr().err == (
        "golden.currents: Checkpoint nowhere.npz does not exist; make it again with: python -m "
        "golden.train lenet5 --data DIR\n")
    assert not out.exists()


@pytest.mark.parametrize("arguments, message", [
    (["lenet6", "--json", "x"], "argument NETWORK: invalid choice: 'lenet6'"),
    (["lenet5"], "the following arguments are required: --json"),
])
def test_wrong_arguments(arguments, message, capsys):
    """The command answers for itself."""
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(f"golden.currents: {message}") and error.count("\n") == 1


def test_bits_of_a_code(tmp_path, capsys):
    for bits in (8, 12):
        assert main(["lenet5", "--bits", str(bits), "--json", str(tmp_path / f"{bits}.json")]) == 0
    small, large = (json.loads((tmp_path / f"{bits}.json").read_text()) for bits in (8, 12))
    assert (small["bits"], large["bits"]) == (8, 12)
    assert large["current_ua"] == pytest.approx(small["current_ua"], rel=0.01)
    assert large["currents"][0] > 8 * small["currents"][0]
    with pytest.raises(SystemExit, match="^2$"):
        main(["lenet5", "--bits", "1", "--json", str(tmp_path / "out.json")])
    assert capsys.readouterr().err == "golden.currents: --bits must be from 2 to 16, not 1\n"


def test_checkpoint_is_not_written_over(tmp_path, write_checkpoint, capsys):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, NETWORKS["lenet5"])
    before = path.read_bytes()
    assert main(["lenet5", "--checkpoint", str(path), "--json", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"golden.currents: File {path} cannot be written (it is another file of this command); name "
        "another\n")
    assert path.read_bytes() == before
