"""An SoC of LiteX with an accelerator: simulated, with a manager of Wishbone."""

import json
from pathlib import Path

import numpy as np
import pytest
from litex.build.generic_platform import GenericPlatform, Pins, Subsignal
from litex.gen import ClockDomain, LiteXModule
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import wishbone

from gen.build import build_network
from gen.checkpoint import read
from gen.command import UserError
from gen.ir import Input, Layer, Network, Target, load
from gen.methods import choose
from golden.answers import answer_passes
from golden.random.generator import choices
from sim.verilator import simulator
from spincim.litex import add_accelerator


ORIGIN = 0x9000_0000

PADS = [("sys_clk", 0, Pins(1)), ("sys_rst", 0, Pins(1)), ("wishbone", 0, *(
    Subsignal(name, Pins(width)) for name, width in (
        ("adr", 30), ("dat_w", 32), ("dat_r", 32), ("sel", 4), ("cyc", 1), ("stb", 1), ("ack", 1),
        ("we", 1), ("cti", 3), ("bte", 2), ("err", 1))))]


class Clocks(LiteXModule):
    def __init__(self, platform):
        self.cd_sys = ClockDomain()
        self.comb += [self.cd_sys.clk.eq(platform.request("sys_clk")),
                      self.cd_sys.rst.eq(platform.request("sys_rst"))]


def soc_without_processor(**options):
    """An SoC with a memory, whose bus is at its pins."""
    platform = GenericPlatform("none", PADS)
    soc = SoCCore(platform, 125_000_000, cpu_type=None, integrated_sram_size=4096, with_uart=False,
                  with_timer=False, with_ctrl=False, ident="", **options)
    soc.crg = Clocks(platform)
    pins = wishbone.Interface(data_width=32, address_width=32, addressing="word")
    soc.comb += pins.connect_to_pads(platform.request("wishbone"), mode="slave")
    soc.bus.add_master(name="pins", master=pins)
    return platform, soc


def registers(soc):
    """Addresses of the registers of the engines and of the events."""
    addresses, at = {}, soc.csr_regions["accelerator"].origin
    for register in soc.csr_regions["accelerator"].obj:
        addresses[register.name] = at
        at += 4 * -(-register.size // 32)
    return addresses


@pytest.fixture(scope="module")
def design(tmp_path_factory, write_checkpoint):
    """A folder with a build, of images of 35 bytes in words of four."""
    folder  = tmp_path_factory.mktemp("litex")
    network = choose(Network("small", Input(5, 7, (90, 180)), (
        Layer("first", 5, 7, 2, (3, 3), 4, padding=1, pool=2), Layer("last", 2, 3, 4, (2, 3), 3))),
        "scale-dropout")
    write_checkpoint(folder / "small.npz", network, seed=3)
    build_network(read(folder / "small.npz", network),
                  Target(array_rows=16, array_columns=4, passes=3, passes_max=9, bus="axi", bus_width=32),
                  folder / "out")
    return folder / "out"


def test_results_are_in_memory(design, tmp_path, monkeypatch):
    """The records that the engine has put into memory are those of the golden model, in every bit."""
    platform, soc = soc_without_processor()
    add_accelerator(soc, design, ORIGIN)
    soc.finalize()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work) # where the contents of its memory belong
    platform.get_verilog(soc).write("soc.v")
    (work / "visible.vlt").write_text('`verilator_config\npublic_flat_rw -module "top" -var "wishbone_*"\n'
                                      'public_flat_rw -module "top" -var "sys_*"\n')
    simulator.build([work / "soc.v", *(Path(path) for path, *_ in platform.sources), work / "visible.vlt"],
                    "top", tmp_path, log=tmp_path / "build.log")
    network = load((design / "ir.json").read_text())
    images  = np.random.default_rng(0).integers(0, 256, (4, 5, 7), np.uint8)
    records = 32 * network.classes
    (work / "plan.json").write_text(json.dumps({
        "images": [image.tobytes().hex() for image in images], "records": records,
        "memory": soc.bus.regions["sram"].origin, "registers": ORIGIN,
        "engines": registers(soc)}))
    simulator.run("top", "tests.spincim.litex_bench", tmp_path, work, variables={},
                  log=tmp_path / "simulate.log")
    answers = json.loads((work / "answers.json").read_text())
    manifest = json.loads((design / "manifest.json").read_text())
    kind = np.dtype([(field["name"], f"<u{field['width'] // 8}") for field in manifest["bus"]["record"]])
    came = np.stack([np.frombuffer(bytes.fromhex(answer), kind) for answer in answers])
    golden = answer_passes(network, images, choices(network.generator, len(images), 3)).prediction
    for name, wanted in (("sum", golden.sums), ("square", golden.squares), ("votes", golden.votes),
                         ("confident", golden.confident),
                         ("prediction", golden.prediction[:, None].repeat(network.classes, 1))):
        assert (came[name] == wanted).all(), name


def test_refused(design, tmp_path):
    def refused(message, folder, soc=None, name="accelerator"):
        with pytest.raises(UserError) as error:
            add_accelerator(soc or soc_without_processor()[1], folder, ORIGIN, name)
        assert str(error.value) == message

    refused(f"There is no build in {tmp_path}; make one with: python -m gen.build --layers NETWORK "
            f"--bus axi --bus-width 32 --out {tmp_path}", tmp_path)
    manifest = json.loads((design / "manifest.json").read_text())
    ports = [*manifest["bus"]["ports"], {"name": "codes", "direction": "in", "width": 4}]
    for change, message in (
            (None, f"The accelerator in {tmp_path} is not on AXI; build it with --bus axi"),
            ({"pixel_width": 64}, "Pixels come in words of 64 bits, and the bus of the SoC has 32; build "
                                  "with --bus-width 32"),
            ({"ports": ports}, "The accelerator has ports that an SoC does not connect, such as 'codes'; "
                               "take spincim.litex.SpinCIM, which has them as pins")):
        (tmp_path / "manifest.json").write_text(json.dumps(
            manifest | {"bus": change and manifest["bus"] | change}))
        refused(message, tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    _, soc = soc_without_processor()
    add_accelerator(soc, design, ORIGIN)
    add_accelerator(soc, design, ORIGIN + 4096, "second") # the same build
    refused(f"The platform already has another build, {(design / 'rtl' / 'accelerator.v').resolve()}, and "
            "modules of both have the same names; use the same build for all accelerators of an SoC",
            tmp_path, soc, "third")
    for name in ("second", "a-b"):
        refused(f"Name {name!r} is no identifier, or the SoC has it already; choose another", design, soc,
                name)
    _, wide = soc_without_processor(bus_data_width=64)
    refused("The bus of the SoC has words of 64 bits, for which the bridge of LiteX to the registers does "
            "not work; make it 32, by bus_data_width=32", design, wide)
