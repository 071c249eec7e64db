import argparse
import json
import re
from dataclasses import fields

import pytest

from gen.checkpoint_file import CheckpointError, write_file
from gen.ir import Target
from gen.methods import METHODS, known_names, name_of, network_of, with_dropout
from gen.networks import NETWORKS
from gen.options import (
    BESIDE_TARGET,
    BuildError,
    add_options,
    chosen_network,
    chosen_target,
    named,
    read_options,
    stored,
    trained,
)
from tests.gen.test_description import SMALL


#: A value of each field that is not its default, as text and as it is in the target.
OTHER = {
    "array_rows": ("128", 128), "array_columns": ("64", 64), "passes": ("7", 7), "passes_max": ("9", 9),
    "schedule": ("sequential",) * 2, "masks": ("all",) * 2, "rng": ("mtj",) * 2, "sources": ("layer",) * 2,
    "view": ("macro",) * 2, "mapping": ("position",) * 2, "cells_per_read": ("8", 8),
    "interval": ("900", 900),
    "adcs": ("300", 300),
    "luts": ("9000", 9000), "fps": ("5000", 5000),
    "clock_mhz": ("99.5", 99.5), "set_ns": ("11.5", 11.5), "read_ns": ("6", 6.0), "reset_ns": ("7", 7.0),
    "array_ns": ("20", 20.0), "mtj_bits": ("9", 9), "mtj_currents": ("{currents}", (1, 2, 3, 4, 300)),
    "mtj_reset_current": ("301", 301),
    "seed": ("5", 5), "protect": (None, True), "instances": ("2", 2), "bus": ("axi",) * 2,
    "bus_width": ("16", 16),
    "baud": ("115200", 115200), "board": ("ulx3s_85f",) * 2,
}


def parse(*arguments, network=None):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(list(map(str, arguments))), network)


def target_of(asked):
    return chosen_target(asked, named(asked["network"]))


def test_every_field_of_a_target_is_an_option(tmp_path):
    (tmp_path / "currents.json").write_text(
        json.dumps({"currents": [1, 2, 3, 4, 300], "reset_current": 400}))
    assert set(OTHER) == {field.name for field in fields(Target)}
    arguments = []
    for name, (text, value) in OTHER.items():
        assert value != getattr(Target(), name)
        arguments.append(f"--{name.replace('_', '-')}")
        arguments += [] if text is None else [text.format(currents=tmp_path / "currents.json")]
    asked = parse(*arguments, network="lenet5")
    del asked["baud"] # of another bus
    assert target_of(asked) == Target(
        **{name: value for name, (_, value) in OTHER.items() if name != "baud"})


def test_an_option_of_another_bus(tmp_path):
    """It is refused, unless it comes with all the others from a file of options."""
    for arguments, message in (
            (("--baud", 115200), "--baud is for a serial line; add --bus uart or --board NAME, or leave "
                                 "--baud out"),
            (("--baud", 115200, "--bus", "axi"), "--baud is for a serial line; add --bus uart or --board "
                                                 "NAME, or leave --baud out"),
            (("--bus-width", 8, "--bus", "uart"), "--bus-width is for AXI4-Stream; add --bus axi, or leave "
                                                  "--bus-width out")):
        with pytest.raises(BuildError) as error:
            target_of(parse(*arguments, network="lenet5"))
        assert str(error.value) == message
    (tmp_path / "config.json").write_text(json.dumps({"bus": "uart", "baud": 115200, "bus_width": 32}))
    config = ("--config", tmp_path / "config.json")
    assert target_of(parse(*config, network="lenet5")) == Target(bus="uart", baud=115200)
    assert target_of(parse(*config, "--bus", "axi", network="lenet5")) == Target(bus="axi")
    for board in ("--bus", "uart"), ("--board", "ulx3s_85f"):
        assert target_of(parse("--baud", 115200, *board, network="lenet5")).baud == 115200


def test_every_field_says_what_it_is():
    for field in fields(Target):
        assert len(field.metadata["help"]) > 10, field.name


def test_nothing_is_asked_for():
    assert target_of(parse(network="lenet5")) == Target()
    assert target_of(parse(network="lenet5_spinbayes")) == Target(passes=10)
    assert target_of(parse("--passes", 40, network="lenet5")) == Target(passes=40, passes_max=40)
    assert target_of(parse("--passes", 4, network="lenet5")) == Target(passes=4)


@pytest.mark.parametrize("name, method, found", [
    ("lenet5", None, "lenet5"), ("lenet5", "spinbayes", "lenet5_spinbayes"),
    ("lenet5_spinbayes", None, "lenet5_spinbayes"), ("lenet5_spinbayes", "scale-dropout", "lenet5"),
    ("lenet5_spinbayes", "spinbayes", "lenet5_spinbayes"),
    ("lenet5_tiny_ensemble", None, "lenet5_tiny_ensemble"),
    ("lenet5_tiny_ensemble", "ensemble", "lenet5_ensemble"),
    ("lenet5_4bit_scale_dropout_mean", "scale-dropout-random", "lenet5_4bit_scale_dropout_random"),
])
def test_method(name, method, found):
    assert named(name, method) == network_of(found)
    arguments = ["--method", method] if method else []
    assert parse(*arguments, network=name)["network"] == found


def test_passes_of_all_combinations():
    assert target_of(parse("--masks", "all", network="lenet5")) == Target(masks="all", passes=32)
    assert target_of(parse("--masks", "all", "--passes", 64, network="lenet5")) == Target(
        masks="all", passes=64, passes_max=64)


@pytest.mark.parametrize("name", known_names())
def test_passes_are_those_of_the_method(name):
    network = named(name)
    assert chosen_target(parse(network=name), network) == Target(passes=METHODS[network.method].passes)


def test_help_of_the_methods(capsys):
    """A method that is unknown is refused with those that are known."""
    with pytest.raises(SystemExit):
        parse("--method", "dropconnect", network="lenet5")
    assert re.search("argument --method: invalid choice: 'dropconnect' .choose from '?scale-dropout'?, .*"
                     "deterministic'?.\n$", capsys.readouterr().err)


@pytest.mark.parametrize("method, crossbars, ways, message", [
    ("scale-dropout", 8, 1, "Method 'scale-dropout' has nothing to choose --crossbars of; leave it out"),
    ("deterministic", 8, 1, "Method 'deterministic' has nothing to choose --crossbars of; leave it out"),
    ("sub-set", None, 2, "Method 'sub-set' has one array per layer; leave --ways out"),
    ("spinbayes", 1, 1, "Arrays or banks to choose from must be from 2 to 1,024, not 1"),
])
def test_what_a_method_has_not(method, crossbars, ways, message):
    with pytest.raises(BuildError, match=f"^{re.escape(message)}$"):
        named("lenet5", method, crossbars, ways)


def test_unknown_network():
    with pytest.raises(BuildError, match=(
            f"^Network 'lenet6_spinbayes' is unknown; choose one of: {', '.join(NETWORKS)}; or name a file "
            "that ends with .npz, .onnx or .toml$")):
        named("lenet6_spinbayes")


@pytest.mark.parametrize("method, count", [("spinbayes", 15), ("scale-dropout", 5), ("sub-set", 15)])
def test_a_current_for_each_random_bit(method, count):
    network = network_of("lenet5", method)
    asked   = {"network": network.name, "rng": "mtj"}
    for missing in ({}, {"mtj_currents": (7,) * count}, {"mtj_reset_current": 9}):
        with pytest.raises(BuildError, match=(
                "^Pins of an MTJ need the SET current codes of the random bits and the RESET current code; "
                "make them with: python -m golden.currents NETWORK --json FILE, and add --mtj-currents "
                "FILE$")):
            chosen_target(asked | missing, network)
    asked["mtj_reset_current"] = 9
    with pytest.raises(BuildError, match=(
            f"^SET current codes must be one for each of the {count} random bits of a pass, not 4; make "
            "them with: python -m golden.currents NETWORK --json FILE$")):
        chosen_target(asked | {"mtj_currents": (1, 2, 3, 4)}, network)
    target = chosen_target(asked | {"mtj_currents": (7,) * count}, network)
    assert (target.mtj_currents, target.mtj_reset_current) == ((7,) * count, 9)
    # Of passes that go through points, for each bit of their shifts.
    asked |= {"masks": "balanced", "passes": 8}
    with pytest.raises(BuildError, match=(
            f"^SET current codes must be one for each of the {3 * count} random bits of a shift, not "
            f"{count}; make them with: python -m golden.currents NETWORK --json FILE --masks balanced "
            "--passes 8$")):
        chosen_target(asked | {"mtj_currents": (7,) * count}, network)
    assert chosen_target(asked | {"mtj_currents": (7,) * 3 * count}, network).masks == "balanced"


@pytest.mark.parametrize("method", ["tiny-ensemble", "ensemble", "deterministic"])
@pytest.mark.parametrize("currents", [(), (1, 2)])
def test_without_random_bits_no_codes_are_asked_for(method, currents):
    """None would do; that there are no junctions is for the compiler to say."""
    network = network_of("lenet5", method)
    asked   = {"network": name_of("lenet5", method), "rng": "mtj", "mtj_currents": currents}
    assert chosen_target(asked, network) == Target(rng="mtj", mtj_currents=currents)


def write(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_file_of_options(tmp_path):
    """Everything comes back, and what is given on the command line has precedence."""
    every = {"network": "lenet5_spinbayes", "crossbars": 4, "ways": 2, "ways_of": "any", "masked": "fc1",
             "random_layers": "fc1,fc2", "p": 0.25, "checkpoint": "some/where.npz", "synth": "ecp5",
             "energy": "paper-spinbayes", "liberty": "/some/cells.lib", "memory_cells": True,
             "mtj_dropout": [0.2],
             **{name: value for name, (_, value) in OTHER.items()}}
    assert {*every, "method", "random"} == {*BESIDE_TARGET, *OTHER}
    path = write(tmp_path, every)
    del every["baud"] # of another bus
    assert parse("--config", path) == every
    assert parse("--config", path, "--seed", 8, "--no-protect", "--crossbars", 3, "--checkpoint", "b.npz",
                 "--ways", 1, "--ways-of", "ring", "--p", 0.5, network="lenet5") == every | {
        "seed": 8, "protect": False, "crossbars": 3, "ways": 1, "ways_of": "ring", "p": 0.5,
        "checkpoint": "b.npz", "network": "lenet5"}
    assert parse("--config", path, "--method", "ensemble") == every | {"network": "lenet5_ensemble"}
    assert not {"mtj_currents", "mtj_reset_current"} & set(parse("--config", path, "--rng", "emulated"))


@pytest.mark.parametrize("text", ["6.5", "1e3", "many", ""])
def test_neither_a_number_nor_none(capsys, text):
    with pytest.raises(SystemExit):
        parse("--adcs", text, network="lenet5")
    assert capsys.readouterr().err.endswith(
        f"error: argument --adcs: must be a whole number or none, not {text!r}\n")


@pytest.mark.parametrize("name", ["interval", "adcs", "luts"])
def test_an_option_takes_back_what_a_file_holds(tmp_path, name):
    path = write(tmp_path, {"network": "lenet5", name: 900})
    assert parse("--config", path, f"--{name}", "none") == {"network": "lenet5", name: None}
    assert target_of(parse("--config", path, f"--{name}", "none")) == Target()


@pytest.mark.parametrize("content, message", [
    ("no JSON", "Config {path} cannot be read (Expecting value: line 1 column 1 (char 0)); give the "
                "config.json of a build"),
    ([1], "Config {path} must be an object of options; give the config.json of a build"),
    ({"networks": "lenet5"}, "Config {path} has the unknown option 'networks'; known are: " + ", ".join(
        [*BESIDE_TARGET, *OTHER])),
    ({"network": 5}, "Config {path} must have a text for network, not 5"),
    ({"network": "lenet5", "ways": True}, "Config {path} must have a whole number for ways, not True"),
    ({"network": "lenet5", "ways_of": "all"},
     "Config {path} must have 'ring' or 'any' for ways_of, not 'all'"),
    ({"network": "lenet5", "crossbars": "8"},
     "Config {path} must have a whole number for crossbars, not '8'"),
    *(({"network": "lenet5", "p": p}, f"Config {{path}} must have a number for p, not {p!r}")
      for p in ("0.5", True, None, [0.5])),
    ({"network": "lenet5", "synth": "virtex"},
     "Config {path} must have one of ecp5, ice40, gowin for synth, not 'virtex'"),
    ({"seed": 3}, f"No network is named; choose one of: {', '.join(NETWORKS)}; or name a file that ends "
                  "with .npz, .onnx or .toml"),
    ({"network": "mine.toml", "method": "dropconnect"},
     f"Config {{path}} must have one of {', '.join(METHODS)} for method, not 'dropconnect'"),
    ({"network": "mine.toml", "random": "1"}, "Config {path} must have a whole number for random, not '1'"),
])
def test_wrong_file_of_options(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(BuildError, match=f"^{re.escape(message.format(path=path))}$"):
        parse("--config", path)


def test_currents_without_pins(tmp_path):
    path = tmp_path / "currents.json"
    path.write_text('{"currents": [1], "reset_current": 0}')
    for option, value in (("--mtj-currents", path), ("--mtj-reset-current", 0)):
        with pytest.raises(BuildError, match="^Write current codes are for the pins of an MTJ; add --rng "
                                             "mtj$"):
            parse(option, value, network="lenet5")


@pytest.mark.parametrize("contents, options, message, way_out", [
    ({"mtj_bits": 8}, ["--mtj-bits", 10], "a number of bits of 8, not 10", " --mtj-bits 10"),
    ({"mtj_bits": 10}, [], "a number of bits of 10, not 8", " --mtj-bits 8"),
    ({"network": "lenet5_wide"}, [], "network lenet5_wide, not lenet5", ""),
    ({"clock_mhz": 125.0}, ["--clock-mhz", 200], "a clock in MHz of 125.0, not 200.0",
     " --clock-mhz 200.0"),
    ({"set_ns": 12.5}, [], "a SET time in ns of 12.5, not 10.0", " --set-ns 10.0"),
    ({"reset_ns": 5.0}, ["--reset-ns", 9], "a RESET time in ns of 5.0, not 9.0", " --reset-ns 9.0"),
])
def test_currents_for_something_else(tmp_path, contents, options, message, way_out):
    path  = tmp_path / "currents.json"
    codes = {"currents": [1] * 5, "reset_current": 9}
    path.write_text(json.dumps(codes | contents))
    with pytest.raises(BuildError, match=(
            f"^File {path} has codes for {message}; make them with: python -m golden.currents lenet5 "
            f"--json FILE{way_out}$")):
        parse("--rng", "mtj", "--mtj-currents", path, *options, network="lenet5")
    path.write_text(json.dumps(codes | {"mtj_bits": 8, "network": "lenet5", "clock_mhz": 125.0}))
    asked = parse("--rng", "mtj", "--mtj-currents", path, network="lenet5")
    assert (asked["mtj_currents"], asked["mtj_reset_current"]) == ((1,) * 5, 9)


@pytest.mark.parametrize("option, code", [([], 9), (["none"], 9), ([7], 7)])
def test_reset_current_beside_a_file(tmp_path, option, code):
    """With none, no other than that of the file."""
    path = tmp_path / "currents.json"
    path.write_text(json.dumps({"currents": [1] * 5, "reset_current": 9}))
    options = [word for value in option for word in ("--mtj-reset-current", value)]
    asked = parse("--rng", "mtj", "--mtj-currents", path, *options, network="lenet5")
    assert asked["mtj_reset_current"] == code


@pytest.mark.parametrize("options, bit, made", [
    (["--p", 0.25], 0, 0.5), (["--method", "spinbayes", "--crossbars", 5], 0, 0.5)])
def test_currents_for_other_probabilities(tmp_path, options, bit, made):
    """Codes of the default network are refused where a probability is another, also from a config."""
    path  = tmp_path / "currents.json"
    asked = parse("--rng", "mtj", *options, network="lenet5")
    network = named(asked["network"], crossbars=asked.get("crossbars"))
    if "p" in asked:
        network = with_dropout(network, {layer.name: asked["p"] for layer in network.layers})
    wanted = network.drops
    for drops, good in ((wanted, True), ((made, *wanted[1:]), False)):
        path.write_text(json.dumps({"currents": [1] * len(wanted), "reset_current": 9, "dropout": drops}))
        asked = parse("--rng", "mtj", *options, "--mtj-currents", path, network="lenet5")
        (tmp_path / "config.json").write_text(json.dumps(asked))
        again = parse("--config", tmp_path / "config.json", network=None)
        for one in (asked, again):
            if good:
                assert chosen_target(one, network).mtj_currents == (1,) * len(wanted)
                continue
            with pytest.raises(BuildError) as error:
                chosen_target(one, network)
            assert str(error.value) == (
                f"SET current codes are for a dropout probability of {made:g} of random bit {bit}, not "
                f"{wanted[0]:g}; make them with: python -m golden.currents NETWORK --json FILE, and the "
                "--crossbars, --ways, --ways-of, --masked, --random-layers, --p and --checkpoint of the "
                "build")


# A network in a file.

@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a description in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SMALL)
    return tmp_path


def test_a_file_holds_in_any_folder(folder):
    """Its path is whole, and its method beside it."""
    asked = parse("--method", "sub-set", "--crossbars", 3, network="mine.toml")
    assert asked == {"network": str(folder / "mine.toml"), "method": "sub-set", "crossbars": 3}
    network = chosen_network(asked)
    assert (network.name, network.layers[0].bank_count) == ("mine_sub_set", 3)
    again = parse("--config", write(folder, asked), "--crossbars", 4)
    assert chosen_network(again).layers[0].bank_count == 4
    assert chosen_network(parse("--config", write(folder, asked), "--method", "scale-dropout",
                                network="mine.toml") | {"crossbars": None}).name == "mine"


def test_random_or_trained(folder):
    """Whichever is given last counts; both at once are none."""
    path = write(folder, {"network": "mine.toml", "checkpoint": "a.npz"})
    assert "checkpoint" not in parse("--config", path, "--random", 3)
    path = write(folder, {"network": "mine.toml", "random": 3})
    assert "random" not in parse("--config", path, "--checkpoint", "a.npz")
    with pytest.raises(BuildError, match="^Parameters are random or those of a checkpoint; leave out "
                                         "--random or --checkpoint$"):
        trained(parse("--random", 3, "--checkpoint", "a.npz", network="mine.toml"))
    with pytest.raises(BuildError, match="^A seed of random parameters must be at least 0, not -1$"):
        trained(parse("--random", -1, network="mine.toml"))


def test_parameters_of_a_description(folder):
    """They are beside it, under its name and that of the method."""
    path = folder / "mine.toml"
    with pytest.raises(BuildError, match=re.escape(
            f"Network 'mine' has no parameters, as there is no {folder / 'mine.npz'}; train it with: "
            f"python -m golden.train {path} --data DIR, or build it with random ones by the option "
            "--random SEED of gen.build")):
        trained(parse(network="mine.toml"))
    (folder / "levels.toml").write_text(SMALL.replace("outputs = 4", "outputs = 4\nbits = 2"))
    for options, method in ([], "scale-dropout"), (["--method", "sub-set"], "sub-set"):
        with pytest.raises(BuildError, match=re.escape(
                f", and no training makes them: method {method!r} is not for network 'levels', whose "
                "levels have several bits, but 'spinbayes'; take another --method, or build it with random "
                "ones by the option --random SEED of gen.build")):
            trained(parse(*options, network="levels.toml"))
    with pytest.raises(BuildError, match="levels.toml --data DIR --method spinbayes, or build it with"):
        trained(parse("--method", "spinbayes", network="levels.toml"))
    with pytest.raises(BuildError, match="--data DIR --method sub-set, or build it with random ones"):
        trained(parse("--method", "sub-set", network="mine.toml"))
    asked = parse("--method", "sub-set", "--random", 3, network="mine.toml")
    write_file(folder / "mine_sub_set.npz", *stored(asked))
    wanted = trained(asked)
    assert wanted.layers[0].arrays
    assert trained(parse("--method", "sub-set", network="mine.toml")) == wanted
    assert trained(parse(network="mine_sub_set.npz")) == wanted


def test_a_probability_for_all_layers(folder):
    asked = parse("--random", 3, "--p", 0.25, network="mine.toml")
    assert [layer.dropout for layer in trained(asked).layers] == [0.25, 0.25]
    assert [draw.name for draw in trained(asked | {"random_layers": "fc1"}).draws] == ["fc1"]
    with pytest.raises(BuildError, match="^Random layers of 'mine' can be "):
        trained(asked | {"random_layers": "fc1,"})
    assert [own.dropout for own in stored(asked)[1]] == [0.25, 0.25]
    with pytest.raises(CheckpointError, match="^A dropout probability must be from 0 to 1, not 1.5$"):
        trained(asked | {"p": 1.5})


def test_currents_for_a_network_in_a_file(folder):
    """They are for the network by its name, wherever its file is."""
    path = write(folder, {"network": "mine", "currents": [1, 2], "reset_current": 3, "dropout": [0.5, 0.5]})
    asked = parse("--rng", "mtj", "--mtj-currents", path, network="mine.toml")
    assert chosen_target(asked, chosen_network(asked)).mtj_currents == (1, 2)
    with pytest.raises(BuildError, match="^File .* has codes for network mine, not mine_sub_set; "):
        parse("--rng", "mtj", "--mtj-currents", path, "--method", "sub-set", network="mine.toml")
