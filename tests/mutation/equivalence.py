"""Can a mutant be seen at a port at all? A proof, a cycle, or neither within a bound.

A miter of the design with and without the mutant: both get the same inputs. Both begin in the same state,
any that is reachable without the mutant. Then the mutant is enabled, in a cycle of reset; more resets may
follow. ABC looks for a cycle in which a port differs: the valid of an output stream, its payload where it
is valid, the ready of an input stream where it is offered a word, any other output. Inputs obey the rules
of streams: a word that is offered stays until it is taken, and has one of the values that the component
declares.
"""

from tests.formal.yosys_abc import run_abc
from tests.mutation.netlist import SELECT, yosys


__all__ = ["compare"]


#: Cycles that are searched, one after the other, where nothing is proven.
DEPTHS = 10, 20, 50, 100, 200

#: Seconds of processor time for a proof, and for a search. What can be proven is in a second, mostly.
PROOF_S, SEARCH_S = 10, 20


def compare(ports, observed, bounds, number, directory):
    """Compare mutant ``number`` of the netlist in ``directory`` with none.

    ``ports`` are those of the netlist, with width and direction; ``observed`` gives the name of each in
    the component, ``bounds`` the values of its fields. Returns ``("equivalent", None)``,
    ``("visible", cycle)`` or ``("unknown", depth)``.
    """
    work = directory / f"mutant{number}"
    work.mkdir(exist_ok=True)
    (work / "miter.v").write_text(_miter(ports, observed, bounds, number))
    yosys("""
        read_rtlil ../mutants.il
        read_verilog -sv miter.v
        hierarchy -top miter
        proc
        flatten
        opt
        memory -nordff
        opt
        techmap
        opt
        dffunmap
        opt_clean
        aigmap
        setundef -zero
        setundef -undriven -zero
        setundef -init -zero
        opt_clean
        write_aiger -zinit miter.aig
        """, work)
    # Registers that are always equal become one, which often is all. The first engine knows of no designs
    # without registers, which the second does.
    for engine in ("pdr", "dprove"):
        status = run_abc(["read_aiger miter.aig", "lcorr", engine, "write_status {status}"], work, PROOF_S)
        if status[:1] == ["snl_UNSAT"]:
            return "equivalent", None
        if status[:1] == ["snl_SAT"]:
            break
    else:
        # Deeper and deeper, so that something is known whenever it ends.
        status = run_abc(["read_aiger miter.aig", *(
            command for depth in DEPTHS for command in (f"bmc3 -F {depth}", "write_status {status}"))],
            work, SEARCH_S)
    _, last, *found = status or ("snl_UNK", -1)
    return ("visible", int(found[1])) if found else ("unknown", int(last) + 1)


def _miter(ports, observed, bounds, number):
    streams = {name.removesuffix("__valid"): port for port, name in observed.items()
               if name.endswith("__valid") and port in ports}
    of = {name: port for port, name in observed.items() if port in ports}
    inputs = [name for name, (_, direction) in ports.items() if direction == "input"]
    lines = ["module miter(input start, " + ", ".join(
        f"input [{ports[name][0] - 1}:0] {name}" for name in inputs) + ", output bad);"]
    asleep = ""
    if "clk" in ports:
        rst = "rst" if "rst" in ports else "1'b0"
        lines += ["reg begun = 0;", "always @(posedge clk) begun <= begun || start;",
                  f"wire reset = (!begun && start) || {rst};"]
        asleep = "!begun && !start ? 16'd0 : "
    for side, mutant in (("a", "16'd0"), ("b", f"{asleep}16'd{number}")):
        wires = [name for name in ports if name not in inputs]
        lines += [f"wire [{ports[name][0] - 1}:0] {side}_{name};" for name in wires]
        lines.append(f"top {side} (" + ", ".join(
            [f".{name}({'reset' if name == 'rst' else name})" for name in inputs]
            + [f".{name}({side}_{name})" for name in wires] + [f".{SELECT}({mutant})"]) + ");")
    differ, broken, seen = [], [], set()
    for stream, valid in streams.items():
        payload, ready = of.get(f"{stream}__payload"), of.get(f"{stream}__ready")
        leaving = valid not in inputs
        if leaving:
            differ.append(f"(a_{valid} != b_{valid})")
            seen.add(valid)
            if payload is not None and payload not in inputs:
                differ.append(f"(a_{valid} && a_{payload} != b_{payload})")
                seen.add(payload)
        elif ready is not None and ready not in inputs:
            differ.append(f"({valid} && a_{ready} != b_{ready})")
            seen.add(ready)
        if not leaving and "clk" in ports:
            # Offered and not taken in the cycle before.
            taken = "1'b1" if ready is None else (ready if ready in inputs else f"a_{ready}")
            lines.append(f"reg held_{valid} = 0;")
            lines.append(f"always @(posedge clk) held_{valid} <= !reset && {valid} && !{taken};")
            broken.append(f"(held_{valid} && !{valid})")
            if payload is not None:
                lines.append(f"reg [{ports[payload][0] - 1}:0] was_{payload} = 0;")
                lines.append(f"always @(posedge clk) was_{payload} <= {payload};")
                broken.append(f"(held_{valid} && {payload} != was_{payload})")
    offered = {of.get(f"{stream}__payload"): valid for stream, valid in streams.items()}
    for name in inputs:
        for at, width, signed, least, most in bounds.get(name, ()):
            value = f"$signed({name}[{at + width - 1}:{at}])" if signed else (
                f"{name}[{at + width - 1}:{at}]")
            if signed or least > 0:
                broken.append(f"({offered.get(name, 1)} && {value} < {least})")
            broken.append(f"({offered.get(name, 1)} && {value} > {most})")
    differ += [f"(a_{name} != b_{name})" for name in ports if name not in inputs and name not in seen]
    if "clk" in ports:
        lines += ["reg foul = 0;", f"wire now = foul || {' || '.join(broken) or 0};",
                  "always @(posedge clk) foul <= now && (begun || start);",
                  f"assign bad = begun && !now && ({' || '.join(differ)});"]
    else:
        lines.append(f"assign bad = !({' || '.join(broken) or 0}) && ({' || '.join(differ)});")
    lines.append("endmodule")
    return "\n".join(lines) + "\n"
