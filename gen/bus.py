"""The accelerator on a bus: its Verilog, and the files that software on the other side of the bus needs."""

import hashlib
import json
import math
import re
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from gen.emit import listed, write_verilog
from gen.images import weight_files
from gen.ipxact import component
from gen.ir import Network, Target, dump
from gen.tools import version
from hdl.accelerator import Accelerator
from hdl.axi_accelerator import AxiAccelerator
from hdl.bus.axi_bus import AxiBus
from hdl.bus.register_map import Register
from hdl.bus.result_output import FLAGS, RECORD, record_layout
from hdl.uart.uart_bus import UartBus
from hdl.uart_accelerator import UartAccelerator


__all__ = ["name_of_build", "register_table", "write_bus"]


#: Name of the module around the accelerator, and of its file, by bus.
TOPS = {"axi": "accelerator_axi", "uart": "accelerator_uart"}

#: Warnings of ``verilator -Wall`` beside those of any Verilog of Yosys, and why they are harmless.
_ACCEPTED = {"SYMRSVDWORD": "the port interrupt has the name that tools look for, whatever it means in C++"}


def write_bus(network: Network, target: Target, accelerator: Accelerator, directory: Path) -> dict | None:
    """Write the Verilog of the module around the accelerator to ``directory / "rtl"``; and for AXI to
    ``directory / "bus"`` the registers as a header of C, ``spincim.h``, and as a module of Python,
    ``spincim_registers.py``, and all of it for the catalogues of tools, ``component.xml``. Return what the
    manifest says of them: None where the target has no bus, for which nothing is written.
    """
    if target.bus == "streams":
        return None
    name   = name_of_build(network, target)
    of_map = {
        "pixels": network.input.height * network.input.width, "colours": network.input.colours,
        "classes": network.classes, "positions": network.answered,
        "passes": target.passes, "passes_max": target.passes_max,
        "confidence": network.head.confidence, "agreement": network.head.agreement,
        "sources": len(network.generator.seeds) if hasattr(accelerator, "reseed") else 0,
        "version": tuple(map(int, re.findall(r"\d+", version())[:3])), "build": int(name[:8], 16)}
    top, own = (_axi if target.bus == "axi" else _uart)(network, target, accelerator, of_map, directory)
    registers = top.bus.registers.registers if target.bus == "axi" else top.bus.registers
    source, _ = write_verilog(top, TOPS[target.bus], directory, _ACCEPTED)
    if target.bus == "axi":
        files = [source, "rtl/accelerator.v", *weight_files(accelerator)["files"]]
        (directory / "bus" / "component.xml").write_text(component(
            TOPS["axi"], ".".join(map(str, of_map["version"])), listed(top), registers,
            [f"../{file}" for file in files]))
    return {
        "kind": target.bus,
        "hash": name,
        "top": TOPS[target.bus],
        "sources": [source], # beside those of the accelerator
        **own,
        # States of random sources after a reset.
        "seeds": list(network.generator.seeds) if hasattr(accelerator, "reseed") else [],
        "ports": listed(top),
        "record": [{"name": field, "offset": layout.offset, "width": layout.width}
                   for field, layout in record_layout()],
        "flags": list(FLAGS),
        "registers": [{"name": register.name, "address": register.address, "access": register.access,
                       "value": register.value,
                       "fields": [{"name": field.name, "low": field.low, "width": field.width}
                                  for field in register.fields]} for register in registers],
    }


def _axi(network, target, accelerator, of_map, directory):
    """The module, and what only its manifest has; the files for software are written."""
    bus = AxiBus(width=target.bus_width, **of_map)
    (directory / "bus").mkdir()
    for file, text in (("spincim.h", _header), ("spincim_registers.py", _module)):
        (directory / "bus" / file).write_text(text(bus.registers.registers, network.head))
    return AxiAccelerator(accelerator, "accelerator", bus), {
        "clock": "aclk", "reset": "aresetn", "pixel_width": target.bus_width,
        "result_width": bus.m_axis.payload.data.shape().width}


def _uart(network, target, accelerator, of_map, directory):
    bus = UartBus(clock_hz=round(1e6 * target.clock_mhz), baud=target.baud, **of_map)
    return UartAccelerator(accelerator, "accelerator", bus), {
        "clock": "clk", "reset": "rst", "clock_hz": round(1e6 * target.clock_mhz), "baud": target.baud,
        "pixel_bytes": bus.pixel_buffer.depth, "result_bytes": bus.result_buffer.depth}


def name_of_build(network: Network, target: Target) -> str:
    """Return the hash that names what is built: a compiled network for a target."""
    return hashlib.sha256((dump(network) + json.dumps(asdict(target))).encode()).hexdigest()


def register_table(registers: tuple[Register, ...]) -> str:
    """Return the table of ``registers`` in the documentation."""
    rows = []
    for register in registers:
        rows.append((f"`0x{register.address:02X}`", f"`{register.name}`", "", register.access,
                     register.text))
        rows += [("", "", f"`{field.name}` {_span(field)}", "", field.text) for field in register.fields]
    return tabulate(rows, ["address", "register", "bits", "access", "what it is"], "github",
                    disable_numparse=True)


def _span(field):
    high = field.low + field.width - 1
    return str(field.low) if high == field.low else f"{high}:{field.low}"


def _values(registers):
    return {register.name: register.value for register in registers}


def _answered(registers):
    """Height and width of the positions of an image that have an answer each."""
    return divmod(_values(registers).get("POSITIONS", 1 << 16 | 1), 1 << 16)


_HEADER = """\
/* The registers and results of a SpinCIM accelerator on AXI. Written by gen.build; not to be edited. */
#ifndef SPINCIM_H
#define SPINCIM_H

#include <stdint.h>

/* Registers: byte addresses from the base, and masks of their bits. */
{registers}

/* Of this build. */
{sizes}

/* A record of a result as it is in memory, little-endian; an image has SPINCIM_RECORDS of them. */
struct spincim_record {{
{record}
}};

{flags}

static inline uint32_t spincim_read(volatile void *base, uint32_t address)
{{
    return *(volatile uint32_t *)((volatile char *)base + address);
}}

static inline void spincim_write(volatile void *base, uint32_t address, uint32_t value)
{{
    *(volatile uint32_t *)((volatile char *)base + address) = value;
}}

{seed}#endif
"""

_HEADER_SEED = """\
/* Makes the images that follow draw the random bits of a build with this --seed, its first ones. Returns 0
   where an image was on its way, so that it must be called again. */
static inline int spincim_seed(volatile void *base, uint64_t seed)
{
    spincim_write(base, SPINCIM_EVENTS, SPINCIM_EVENTS_REFUSED);
    for (unsigned source = 0; source < SPINCIM_SOURCES_VALUE; source++) {
        uint64_t state = seed += UINT64_C(0x9E3779B97F4A7C15);
        state = (state ^ state >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        state = (state ^ state >> 27) * UINT64_C(0x94D049BB133111EB);
        state ^= state >> 31;
        state += !state;
        spincim_write(base, SPINCIM_STATE_LOW, (uint32_t)state);
        spincim_write(base, SPINCIM_STATE_HIGH, (uint32_t)(state >> 32));
        spincim_write(base, SPINCIM_RESEED, source);
    }
    return !(spincim_read(base, SPINCIM_EVENTS) & SPINCIM_EVENTS_REFUSED);
}

"""


def _header(registers, head):
    """The registers as a header of C."""
    def defines(rows):
        width = max(len(name) for name, _, _ in rows)
        return "\n".join(f"#define SPINCIM_{name:{width}} {value:11} /* {text} */"
                         for name, value, text in rows)

    rows = []
    for register in registers:
        rows.append((register.name, f"0x{register.address:02X}u", f"{register.access}: {register.text}"))
        rows += [(f"{register.name}_{field.name.upper()}", f"0x{((1 << field.width) - 1) << field.low:X}u",
                  field.text) for field in register.fields]
    values = _values(registers)
    height, width = _answered(registers)
    kinds  = {64: "uint64_t", 32: "uint32_t"}
    return _HEADER.format(
        registers=defines(rows),
        sizes=defines((
            ("ID_VALUE", f"0x{values['ID']:08X}u", "what ID says"),
            ("BUILD_VALUE", f"0x{values['BUILD']:08X}u", "what BUILD says"),
            ("IMAGE_BYTES", f"{values['PIXELS'] * values['COLOURS']}u", "of a packet of pixels"),
            ("RECORDS", f"{values['CLASSES'] * height * width}u",
             "of a result, one for each class" + (" of each position" if height * width > 1 else "")),
            ("CLASSES_VALUE", f"{values['CLASSES']}u", "what CLASSES says"),
            ("ANSWER_ROWS", f"{height}u", "of positions that have an answer each, one row after another"),
            ("ANSWER_COLUMNS", f"{width}u", "and positions of a row"),
            ("SOURCES_VALUE", f"{values['SOURCES']}u", "what SOURCES says"),
            ("UNIT", f"{head.unit}u", "a mean is (sum / passes - SPINCIM_ZERO) / SPINCIM_UNIT"),
            ("ZERO", f"{head.zero}u", "0 of probabilities, not of the numbers of a regression"))),
        seed=_HEADER_SEED if values["SOURCES"] else "",
        record="\n".join(f"    {kinds[bits]} {name + ';':12} /* {text} */"
                         for name, (bits, text) in RECORD.items()),
        flags=defines([(f"FLAG_{name.upper()}", f"0x{1 << bit:X}u", text)
                       for bit, (name, text) in enumerate(FLAGS.items())]))


_MODULE = '''\
"""The registers and results of a SpinCIM accelerator on AXI. Written by gen.build; not to be edited."""

#: Byte address of each register, from the base.
REGISTERS = {registers}

#: For registers whose bits have several meanings: the lowest bit and the number of bits of each field.
FIELDS = {fields}

#: What registers say that never change, by name.
CONSTANTS = {constants}

#: Bytes of a packet of pixels; records of a result; rows and columns of positions that have an answer each,
#: one after another in the result.
IMAGE_BYTES = {image_bytes}
RECORDS     = {records}
POSITIONS   = {positions}

#: A mean is (sum / passes - ZERO) / UNIT, and a variance (square / passes - (sum / passes)**2) / UNIT**2.
UNIT, ZERO = {unit}, {zero}

#: Fields of a record of a result and their types as numpy names them: dtype(RECORD).
RECORD = {record}

#: Bit of each flag in the field "flags" of a record.
FLAGS = {flags}
{seed}'''

_MODULE_SEED = '''

def seed_writes(seed):
    """What to write where, in this order and while no image is on its way, so that the images that follow
    draw the random bits of a build with this --seed, its first ones: a list of addresses and values."""
    writes = []
    for source in range(CONSTANTS["SOURCES"]):
        seed  = (seed + 0x9E3779B97F4A7C15) % 2**64
        state = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        state = state ^ state >> 31 or 1
        writes += [(REGISTERS["STATE_LOW"], state % 2**32), (REGISTERS["STATE_HIGH"], state >> 32),
                   (REGISTERS["RESEED"], source)]
    return writes
'''


def _module(registers, head):
    """The registers as a module of Python that imports nothing."""
    values = _values(registers)
    return _MODULE.format(
        registers=_dict({register.name: f"0x{register.address:02X}" for register in registers}),
        fields=_dict({register.name: {field.name: (field.low, field.width) for field in register.fields}
                      for register in registers if register.fields}),
        constants=_dict({register.name: f"0x{register.value:08X}" for register in registers
                         if register.kind == "constant"}),
        image_bytes=values["PIXELS"] * values["COLOURS"],
        records=values["CLASSES"] * math.prod(_answered(registers)),
        positions=_answered(registers),
        unit=head.unit, zero=head.zero,
        record="[\n" + "".join(f'    ("{name}", "<u{bits // 8}"),\n'
                               for name, (bits, _) in RECORD.items()) + "]",
        flags=_dict({name: bit for bit, name in enumerate(FLAGS)}),
        seed=_MODULE_SEED if values["SOURCES"] else "")


def _dict(entries):
    return "{\n" + "".join(f'    "{name}": {value},\n' for name, value in entries.items()) + "}"
