# amaranth: UnusedElaboratable=no
"""The driver and a simulated board: the whole way from images to answers, over pins of a line that hits
bytes."""

import json

import numpy as np
import pytest

from gen.build import build_network
from gen.checkpoint import read
from gen.ir import Input, Layer, Network, Target, load
from gen.methods import choose
from host import Accelerator, HostError
from host.predict import differing, main
from host.settings import configured
from sim.design import DesignError
from sim.verilator.virtual_board import virtual_board


@pytest.fixture(scope="module")
def folder(write_checkpoint, tmp_path_factory):
    """A network of two layers for pixels of three bytes, as on a board but for its pins; a bit is four
    cycles."""
    folder  = tmp_path_factory.mktemp("host")
    network = choose(Network("small", Input(6, 7, (90, 180), colours=3), (
        Layer("first", 6, 7, 6, (3, 3), 5, pool=2, padding=1), Layer("last", 3, 3, 5, (3, 3), 3))),
        "scale-dropout")
    write_checkpoint(folder / "small.npz", network, seed=3)
    build_network(read(folder / "small.npz", network), Target(
        array_rows=16, array_columns=4, passes=3, passes_max=9, bus="uart", baud=25_000_000,
        clock_mhz=100.0), folder / "out")
    return folder / "out"


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 6, 7, 3), dtype=np.uint8)


@pytest.mark.long
def test_equal_to_the_golden_model(folder):
    """In every bit: the first images after a reset, those that follow with the same number of passes, and
    after another reset those with another; also where 1 % of all bytes are hit."""
    network = load((folder / "ir.json").read_text())
    for hits in (0.0, 0.01):
        with Accelerator.open(folder, hits=hits, seed=7) as accelerator:
            for count, first in ((20, 0), (5, 20)):
                assert accelerator.images == first
                found = accelerator.predict(images(count), passes=3)
                assert not differing(found, network, images(count), 3, first).any()
            accelerator.reset()
            found = accelerator.predict(images(6), passes=9)
            assert not differing(found, network, images(6), 9).any()
            told = {"seed": 5, "confidence": 0.4, "agreement": 60}
            accelerator.configure(**told)
            for begin in (accelerator.reset, lambda: accelerator.configure(seed=5)):
                found = accelerator.predict(images(6), passes=9)
                assert not differing(found, configured(network, **told), images(6), 9).any()
                assert differing(found, configured(network, seed=5), images(6), 9).any()
                begin()
            accelerator.predict(images(6), passes=9)
            assert [accelerator.read(name) for name in ("IMAGES", "RESULTS", "MISMATCHES", "PASSES")] == [
                12, 12, 0, 9]
            line = accelerator.line
        cycles, passed, hit = map(int, (folder / "sim_board" / "line.txt").read_text().split())
        if hits:
            assert 0.005 < hit / passed < 0.02 and line["again"] and line["bad_here"] and line["bad_there"]
        else:
            assert passed == line["sent"] + line["received"] and cycles > 40 * line["sent"]
            assert line["again"] == line["bad_here"] == line["bad_there"] == hit == 0


@pytest.mark.long
def test_what_differs_is_seen(folder):
    network = load((folder / "ir.json").read_text())
    with Accelerator.open(folder) as accelerator:
        found = accelerator.predict(images(4), passes=3)
    for image, name in enumerate(("square", "sum", "votes", "flags")):
        found.record[name][image, -1] ^= 2
        assert differing(found, network, images(4), 3).tolist() == [other <= image for other in range(4)]


def test_command(folder, tmp_path, capsys):
    np.savez(tmp_path / "images.npz", images=images(8), labels=np.arange(8) % 3)
    assert main([str(folder), "--virtual", "--passes", "5", "--check",
                 "--input", str(tmp_path / "images.npz"), "--out", str(tmp_path / "answers.npz"),
                 "--hits", "0.01", "--random-seed", "9", "--confidence", "0.3", "--agreement", "70"]) == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
                   if not line.startswith(("bytes_sent", "frames_wrong")))
    assert 0 < float(printed["line_to_board_in_use"].removesuffix(" %")) <= 100
    assert printed["images"] == "8" and printed["differ_from_golden_model"] == "0"
    answers = np.load(tmp_path / "answers.npz")
    assert answers["probabilities"].shape == (8, 3)
    assert printed["accuracy"] == f"{(answers['classes'] == np.arange(8) % 3).mean():.4f}"


def test_wrong_arguments(folder, capsys):
    for arguments, message in (
            ([folder], "one of the arguments --port --virtual --overlay --registers is "
                       "required"),
            ([folder, "--virtual", "--hits", "0.5"],
             "argument --hits: must be from 0 to 0.02, not '0.5'"),
            ([folder, "--virtual", "--confidence", "1.5"],
             "argument --confidence: must be from 0 to 1, not '1.5'"),
            ([folder, "--virtual", "--baud", "9600"],
             "--baud is for a serial port, --port; a simulated line has the baud rate of the build, and "
             "AXI has none"),
            ([folder, "--port", "ttyUSB0", "--hits", "0.01"],
             "--hits is for a simulated line, --virtual; a board has a line of its own"),
            ([folder, "--virtual", "--out", "answers.csv"],
             "argument --out: must end with .npz, not 'answers.csv'")):
        with pytest.raises(SystemExit) as end:
            main(list(map(str, arguments)))
        assert end.value.code == 2 and capsys.readouterr().err == f"host.predict: {message}\n"
    assert main([str(folder), "--virtual"]) == 2 # with the passes of the build, as 20 are too many
    assert capsys.readouterr().err == (
        f"host.predict: Network of {folder} takes images of 6 x 7 x 3, and those of MNIST are 28 x 28; "
        "name images of your own with --input FILE\n")
    assert main([str(folder), "--virtual", "--passes", "10"]) == 2
    assert capsys.readouterr().err == (
        "host.predict: Passes must be from 1 to 9 (T_max of this build), not 10\n")
    with pytest.raises(HostError, match="^A baud rate is for a serial port; a simulated line has that of "
                                        "the build, and AXI has none$"):
        Accelerator.open(folder, baud=9600)


def test_a_build_without_a_line(lenet5):
    assert json.loads((lenet5 / "manifest.json").read_text())["bus"] is None
    with pytest.raises(HostError, match="has no build with a serial line; "):
        Accelerator.open(lenet5)
    with pytest.raises(DesignError, match="has no serial line; build it with --board or --bus uart$"):
        virtual_board(lenet5, steps=None).__enter__()
