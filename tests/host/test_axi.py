# amaranth: UnusedElaboratable=no
"""The driver of an accelerator on AXI, with models of its registers and of a DMA engine."""

import json
import sys
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

import host.axi_link
from gen.build import build_network
from gen.ir import REGRESSION, Target, load
from golden.answers import answer
from host import Accelerator, HostError, Memory, Numbers, Overlay
from host.axi_dma import AxiDma, Buffers
from host.devices import _Registers
from host.predict import differing, main
from host.settings import configured
from tests.host import axi


@pytest.fixture(scope="module")
def folder(random_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("axi") / "out"
    build_network(random_network(3, hidden=1), Target(
        array_rows=16, array_columns=4, passes=3, passes_max=5, bus="axi", sources="layer"), folder)
    return folder


@pytest.fixture
def network(folder):
    return load((folder / "ir.json").read_text())


@pytest.fixture
def model(network, folder):
    return axi.Accelerator(network, json.loads((folder / "manifest.json").read_text()))


@pytest.fixture
def pynq(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None) # which is undone
    return axi.pynq(model)


def images(network, count):
    return np.random.default_rng(count).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def test_equal_to_the_golden_model(folder, network, model, pynq):
    """In every bit, with what the registers say; a run begins with the seed of the build, whatever was
    before."""
    model.write(0x38, 1)
    model.seeds[0] = 77
    with Accelerator.open(folder, Overlay("design.bit")) as accelerator:
        for count, first in ((5, 0), (1, 5)):
            found = accelerator.predict(images(network, count), passes=3)
            assert not differing(found, network, images(network, count), 3, first).any()
        told = {"seed": 9, "confidence": 0.25, "agreement": 100}
        accelerator.configure(**told)
        found = accelerator.predict(images(network, 4), passes=5)
        assert not differing(found, configured(network, **told), images(network, 4), 5).any()
        assert accelerator.line == {} and accelerator.read("RESULTS") == 10


@pytest.mark.long
def test_an_answer_for_each_position(random_network, tmp_path, monkeypatch):
    """A result has the records of all positions, as the files for software say."""
    plain = random_network(3, hidden=1, answered=(2, 1))
    build_network(plain, Target(array_rows=16, array_columns=4, passes=3, passes_max=5, bus="axi"),
                  tmp_path)
    network, classes = load((tmp_path / "ir.json").read_text()), plain.layers[-1].outputs
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    monkeypatch.setitem(sys.modules, "pynq", None) # which is undone
    axi.pynq(axi.Accelerator(network, manifest))
    with Accelerator.open(tmp_path, Overlay("design.bit")) as accelerator:
        found = accelerator.predict(images(network, 6), passes=5)
        assert (accelerator.read("CLASSES"), accelerator.read("POSITIONS")) == (classes, 2 << 16 | 1)
    assert found.classes.shape == found.rejected.shape == (6, 2, 1)
    assert found.record.shape == found.probabilities.shape == (6, 2, 1, classes)
    assert not differing(found, network, images(network, 6), 5).any()
    assert found.approximate_mutual_information.shape == (6, 2, 1)
    found.record["votes"][4, 1, 0, 0] ^= 1
    assert differing(found, network, images(network, 6), 5).tolist() == [False] * 4 + [True, False]

    names = {}
    exec((tmp_path / "bus" / "spincim_registers.py").read_text(), names)
    assert (names["RECORDS"], names["POSITIONS"]) == (2 * classes, (2, 1))
    header = (tmp_path / "bus" / "spincim.h").read_text().split()
    for name, value in (("RECORDS", 2 * classes), ("CLASSES_VALUE", classes), ("ANSWER_ROWS", 2),
                        ("ANSWER_COLUMNS", 1)):
        assert header[header.index(f"SPINCIM_{name}") + 1] == f"{value}u"


def test_stopped_between(folder, network, model, pynq):
    """What was on its way when images were left is not taken for what follows."""
    with Accelerator.open(folder, Overlay("design.bit")) as accelerator:
        with pytest.raises(KeyboardInterrupt):
            accelerator.predict(images(network, 4), passes=3, steps=Stopping())
        found = accelerator.predict(images(network, 3), passes=3)
        assert not differing(found, network, images(network, 3), 3).any()


class Stopping:
    """A bar at which someone presses Ctrl-C."""

    def bar(self, images):
        yield from (0, 1)
        raise KeyboardInterrupt


def test_memory(model, folder, network, tmp_path, monkeypatch):
    """The same by addresses: registers and buffer are mapped, and the engine is told physical addresses."""
    monkeypatch.setattr(Memory, "open", lambda self, stack: opened(model))
    with Accelerator.open(folder, Memory("0xA0000000", "0xA0010000")) as accelerator:
        found = accelerator.predict(images(network, 3), passes=3)
    assert not differing(found, network, images(network, 3), 3).any()


def opened(model, size=1 << 16):
    address = 0x1_2345_6000 # beyond 32 bits
    memory  = bytearray(size)
    return model, AxiDma(axi.Engine(model, memory, address)), Buffers(memory, address).allocate


def test_too_small_a_buffer(model, folder, monkeypatch):
    monkeypatch.setattr(Memory, "open", lambda self, stack: opened(model, 200))
    with pytest.raises(HostError, match="^Memory for the DMA engine at 0xA0000000 has no room for two "
                                        "images and a result; give it more$"):
        Accelerator.open(folder, Memory("0xA0000000", "0xA0010000"))


def test_registers_are_words_of_memory(tmp_path):
    memory = bytearray(16)
    registers = _Registers(memory)
    registers.write(8, 0xDEADBEEF)
    assert bytes(memory) == bytes(8) + b"\xef\xbe\xad\xde" + bytes(4) and registers.read(8) == 0xDEADBEEF


@pytest.mark.parametrize("registers, message", [
    ("/dev/none", r"Device /dev/none cannot be used \(No such file or directory\); see that it is there, "
                  "and run this as root or let the user have it"),
    ("0xA0000004", "Registers are at an address that is a multiple of 4096, such as 0xA0000000, or are a "
                   "device such as /dev/uio0, and not '0xA0000004'"),
    ("uio0", "Registers are at an address that is a multiple of 4096, such as 0xA0000000, or are a device "
             "such as /dev/uio0, and not 'uio0'")])
def test_no_device(folder, registers, message):
    with pytest.raises(HostError, match=f"^{message}$"):
        Accelerator.open(folder, Memory(registers, registers))


def test_no_memory_for_the_engine(tmp_path):
    """Files stand for devices."""
    (tmp_path / "uio0").write_bytes(bytes(4096))
    with ExitStack() as stack, pytest.raises(HostError) as error:
        Memory(str(tmp_path / "uio0"), str(tmp_path / "uio0"), "/dev/udmabuf9").open(stack)
    assert str(error.value) == (
        "Device /dev/udmabuf9 is none of u-dma-buf, as /sys/class/u-dma-buf/udmabuf9 says no address and "
        "size; load that module, or name another device with --buffer")


def test_what_is_not_there(folder, model, pynq, tmp_path, monkeypatch):
    def says(message, *place, at=folder):
        with pytest.raises(HostError) as error:
            Accelerator.open(at, *place)
        assert str(error.value) == message

    overlay = Overlay("design.bit")
    model.values["STATUS"] = 1
    says("The accelerator at design.bit is none of this version, or not ready: an image is on its way "
         "that none has waited for; load its bitstream again", overlay)
    model.values["BUILD"] = 0x1234
    build = json.loads((folder / "manifest.json").read_text())["bus"]["hash"][:8]
    says(f"The board has another build (00001234) than the folder ({build}); load its bitstream, or name "
         "the folder of what is on the board", overlay)
    model.values["ID"] = 0xFFFFFFFF
    says("What answers at design.bit is no accelerator (0xFFFFFFFF)", overlay)
    says("Design design.bit has no axi_dma_7, but accelerator_axi_0, axi_dma_0; give the blocks the names "
         "accelerator_axi_0 and axi_dma_0", Overlay("design.bit", dma="axi_dma_7"))
    says("Design none cannot be loaded (Bitstream file none does not exist.)", Overlay("none"))
    (tmp_path / "manifest.json").write_text('{"generator": "spincim", "bus": null}')
    says(f"Folder {tmp_path} has no build with AXI; make one with: python -m gen.build --layers NETWORK "
         "--bus axi --out DIR", overlay, at=tmp_path)
    monkeypatch.setitem(sys.modules, "pynq", None)
    says("Package 'pynq' is not installed; run this on a board with PYNQ, or name the addresses with "
         "--registers and --dma", overlay)


def test_engine_that_fails(folder, network, model, pynq, monkeypatch):
    """Where nothing comes, and where the engine says what is wrong."""
    with Accelerator.open(folder, Overlay("design.bit")) as accelerator:
        monkeypatch.setattr(host.axi_link, "_WAIT_S", 0.01)
        monkeypatch.setattr(axi.Engine, "_move", lambda self: None)
        with pytest.raises(HostError, match="^Nothing comes from design.bit any more; see that the board "
                                            "has power, and load its bitstream again$"):
            accelerator.predict(images(network, 1), passes=3)
    with Accelerator.open(folder, Overlay("design.bit")) as accelerator:
        accelerator._link._result.physical_address += 1 << 20
        with pytest.raises(HostError, match="^The accelerator at design.bit is none of this version, or "
                                            "not ready: the DMA engine says: no such address$"):
            accelerator.predict(images(network, 1), passes=3)


def test_command(folder, network, pynq, tmp_path, capsys):
    np.savez(tmp_path / "images.npz", images=images(network, 8), labels=np.arange(8) % 3)
    assert main([str(folder), "--overlay", "design.bit", "--passes", "4", "--check", "--random-seed", "3",
                 "--input", str(tmp_path / "images.npz"), "--out", str(tmp_path / "answers.npz")]) == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["differ_from_golden_model"] == "0" and "line_to_board_in_use" not in printed
    with pytest.raises(SystemExit):
        main([str(folder), "--registers", "0xA0000000"])
    assert capsys.readouterr().err == "host.predict: arguments --registers and --dma need each other\n"


@pytest.mark.long
def test_a_regression(random_network, tmp_path, monkeypatch):
    """Mean and variance are of the numbers, in the unit that the manifest says."""
    plain = replace(random_network(3, hidden=1), head=REGRESSION)
    build_network(plain, Target(array_rows=16, array_columns=4, passes=3, passes_max=5, bus="axi"),
                  tmp_path)
    network, manifest = load((tmp_path / "ir.json").read_text()), json.loads(
        (tmp_path / "manifest.json").read_text())
    monkeypatch.setitem(sys.modules, "pynq", None) # which is undone
    axi.pynq(axi.Accelerator(network, manifest))
    with Accelerator.open(tmp_path, Overlay("design.bit")) as accelerator:
        found = accelerator.predict(images(network, 6), passes=5)
        for useless in {"confidence": 0.5}, {"agreement": 50}:
            with pytest.raises(HostError, match="^A regression answers with numbers and rejects no image; "
                                                "leave confidence and agreement out$"):
                accelerator.configure(**useless)
    names = {}
    exec((tmp_path / "bus" / "spincim_registers.py").read_text(), names)
    assert (names["UNIT"], names["ZERO"]) == (network.head.unit, 2**15) == (
        manifest["unit"], manifest["zero"])
    header = (tmp_path / "bus" / "spincim.h").read_text().split()
    assert (header[header.index("SPINCIM_UNIT") + 1], header[header.index("SPINCIM_ZERO") + 1]) == (
        f"{network.head.unit}u", "32768u")
    golden = answer(network, images(network, 6), 5).prediction
    assert isinstance(found, Numbers) and golden.variance.max() > 0
    assert (found.mean == golden.mean).all() and (found.variance == golden.variance).all()
    assert not differing(found, network, images(network, 6), 5).any()
