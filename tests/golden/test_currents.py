import argparse
import json

import pytest

from gen.command import UserError
from gen.compile import compile_network
from gen.ir import Target
from gen.networks import NETWORKS
from gen.options import BuildError, add_options, chosen_target, named, read_options
from golden.currents import currents, main
from golden.device.junction import Dac


def test_currents(random_network):
    network = compile_network(random_network(5, hidden=2), Target())
    report = currents(network, Target(clock_mhz=200.0))
    dac = Dac()
    assert (report["set_pulse_ns"], report["reset_pulse_ns"]) == (10.0, 5.0)
    assert report["dropout"] == [p for draw in network.draws for p in draw.drops]
    assert report["currents"] == [dac.write_code(p) for draw in network.draws for p in draw.drops]
    assert report["reset_current"] == dac.write_code(1.0, pulse_ns=5.0)
    assert report["reset_probability"] == dac.probability(report["reset_current"], pulse_ns=5.0) > 1 - 1e-6
    assert report["reset_current_ua"] == dac.current(report["reset_current"])
    for code, p, q in zip(report["currents"], report["dropout"], report["switching_probability"],
                          strict=True):
        assert q == dac.probability(code)
        assert all(abs(p - q) <= abs(p - dac.probability(other)) for other in (code - 1, code + 1)
                   if 0 <= other < 2**dac.bits)


def test_of_shifts(random_network):
    """A code of an even chance for each of their bits."""
    target  = Target(masks="balanced", passes=4)
    network = compile_network(random_network(5, hidden=2), target)
    report  = currents(network, target)
    assert report["dropout"] == [0.5] * len(network.generator.drop)
    assert len(report["currents"]) == len(network.generator.drop) > 3
    assert len(set(report["currents"])) == 1


def test_reset_that_is_too_short(random_network):
    network = compile_network(random_network(5, hidden=2), Target())
    with pytest.raises(UserError, match="^A RESET of 2 ns, with a probability of 0.998992, is not certain "
                                        "for any current; make it longer, here and in the build, with "
                                        "--reset-ns$"):
        currents(network, Target(clock_mhz=500.0, reset_ns=1.5))


@pytest.mark.parametrize("name, options, message", [
    ("lenet5_deterministic", [], "Network 'lenet5_deterministic' draws no random bits, so there are no "
                                 "junctions; name one of another method"),
    ("lenet5_ensemble", [], "Network 'lenet5_ensemble' draws no random bits, so there are no junctions; "
                            "name one of another method"),
    ("lenet5", ["--set-ns", "1e9"], "The set time must be above 0 and at most 8192 ns, 1024 cycles of 125 "
                                    "MHz, not 1000000000.0"),
    ("lenet5", ["--clock-mhz", "1e9"], "The clock must be from 0.001 to 10000 MHz, not 1000000000.0"),
])
def test_what_no_build_takes(tmp_path, capsys, name, options, message):
    """It is refused before a file is written."""
    path = tmp_path / "currents.json"
    assert main([name, *options, "--json", str(path)]) == 2
    assert capsys.readouterr().err == f"golden.currents: {message}\n"
    assert not path.exists()


def test_command(tmp_path, write_checkpoint, capsys):
    write_checkpoint(tmp_path / "checkpoint.npz", NETWORKS["lenet5"])
    out = tmp_path / "currents.json"
    assert main(["lenet5", "--checkpoint", str(tmp_path / "checkpoint.npz"), "--json", str(out)]) == 0
    output = capsys.readouterr()
    report = json.loads(out.read_text())
    codes  = [*report["currents"], report["reset_current"]]
    pulses, title, _, *rows = output.out.splitlines()
    assert pulses == "SET pulses of 16 ns, RESET pulses of 8 ns"
    assert title.split() == ["dropout", "code", "current", "in", "uA", "switching", "probability"]
    assert [int(row.split()[1]) for row in rows] == codes and len(codes) == 6
    assert rows[-1].split() == ["RESET", str(codes[-1]), "270.000", "1.000"]
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
    (["lenet6", "--json", "x"], "argument NETWORK: Network 'lenet6' is unknown; "),
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
        assert main(["lenet5", "--mtj-bits", str(bits), "--json", str(tmp_path / f"{bits}.json")]) == 0
    small, large = (json.loads((tmp_path / f"{bits}.json").read_text()) for bits in (8, 12))
    assert (small["mtj_bits"], large["mtj_bits"]) == (8, 12)
    assert large["current_ua"] == pytest.approx(small["current_ua"], rel=0.01)
    assert large["currents"][0] > 8 * small["currents"][0]
    with pytest.raises(SystemExit, match="^2$"):
        main(["lenet5", "--mtj-bits", "1", "--json", str(tmp_path / "out.json")])
    assert capsys.readouterr().err == "golden.currents: --mtj-bits must be from 2 to 16, not 1\n"


@pytest.mark.parametrize("option", ["--clock-mhz", "--set-ns", "--reset-ns"])
@pytest.mark.parametrize("value", ["0.0", "-1.0", "nan", "inf"])
def test_times_that_are_none(tmp_path, capsys, option, value):
    with pytest.raises(SystemExit, match="^2$"):
        main(["lenet5", option, value, "--json", str(tmp_path / "out.json")])
    assert capsys.readouterr().err == f"golden.currents: {option} must be above 0, not {value}\n"


def test_build_takes_what_was_written(tmp_path):
    """With another clock, and not without it."""
    path = tmp_path / "currents.json"
    assert main(["lenet5", "--clock-mhz", "50", "--json", str(path)]) == 0
    report  = json.loads(path.read_text())
    parser  = argparse.ArgumentParser()
    add_options(parser)
    options = ["--rng", "mtj", "--mtj-currents", str(path)]
    asked   = read_options(parser.parse_args([*options, "--clock-mhz", "50"]), "lenet5")
    target  = chosen_target(asked, named("lenet5"))
    assert (target.mtj_currents, target.mtj_reset_current) == (
        tuple(report["currents"]), report["reset_current"])
    with pytest.raises(BuildError, match="^File .* has codes for a clock in MHz of 50.0, not 125.0; "):
        read_options(parser.parse_args(options), "lenet5")


def test_checkpoint_is_not_written_over(tmp_path, write_checkpoint, capsys):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, NETWORKS["lenet5"])
    before = path.read_bytes()
    assert main(["lenet5", "--checkpoint", str(path), "--json", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"golden.currents: File {path} cannot be written (it is another file of this command); name "
        "another\n")
    assert path.read_bytes() == before
