"""Registers of the multipliers of an ECP5: Yosys leaves those of a design outside of them.

A multiplier without registers takes half a cycle of 125 MHz, and the wires to and from it as much. Those
inside have an enable and a synchronous reset, which prevails, as registers outside have (Lattice, ECP5 and
ECP5-5G sysDSP Usage Guide, FPGA-TN-02205, and its model of MULT18X18D for simulation).
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


__all__ = ["absorb_registers", "fill_multipliers"]


@dataclass(frozen=True)
class _Control:
    """What the registers of one side of a multiplier share: nets, and None without an enable or reset."""

    clock: int
    enable: int | None
    reset: int | None


def fill_multipliers(netlist: Path, top: str):
    """Do :func:`absorb_registers` to the module ``top`` of the file ``netlist``, in JSON by Yosys."""
    design = json.loads(netlist.read_text())
    absorb_registers(design["modules"][top])
    netlist.write_text(json.dumps(design))


def absorb_registers(module: dict) -> int:
    """Take the registers at the inputs of each MULT18X18D of ``module``, and those at its outputs, into it;
    return how many of them multipliers hold then.

    Both operands are registered, or neither. A register at an input that is read elsewhere too stays there
    for that. Registers of different clocks, enables or resets stay outside, as do those whose reset is
    asynchronous, or makes them 1; and operands that come from a block memory, which is as slow as a
    multiplier and has no way to spare.

    Parameters
    ----------
    module : dict
        A flat module, as Yosys writes it in JSON after ``synth_ecp5``; it is changed.
    """
    cells, held = module["cells"], 0
    nets = _Nets(module)
    for multiplier in [name for name, cell in cells.items() if cell["type"] == "MULT18X18D"]:
        cell, pins = cells[multiplier], cells[multiplier]["connections"]
        front = {pin: nets.driver.get(net) for pin, net in _nets_of(pins, "AB")}
        behind = {pin: nets.only_reader(net) for pin, net in _nets_of(pins, "P") if nets.readers[net]}
        signed = pins.get("SIGNEDA"), pins.get("SIGNEDB")
        control = _shared(map(cells.get, front.values()))
        memory = {cells.get(nets.driver.get(cells[name]["connections"]["DI"][0]), {}).get("type")
                  for name in front.values()} if control else set()
        if control and "DP16KD" not in memory and all(
                each in (["0"], ["1"], None) for each in signed):
            for pin, name in front.items():
                pins[pin] = cells[name]["connections"]["DI"]
                # So that no multiplier in front takes a register from which this one has its operand now.
                nets.readers[pins[pin][0]].append((multiplier, pin))
            _hold(cell, ("INPUTA", "INPUTB"), 0, control)
            held += len(set(front.values()))
        if control := _shared(map(cells.get, behind.values())):
            for pin, name in behind.items():
                pins[pin] = cells.pop(name)["connections"]["Q"]
            _hold(cell, ("OUTPUT",), 1, control)
            held += len(behind)
    _remove_unread(module)
    return held


class _Nets:
    """Which cell drives a net, and which cells and pins read it; None for a port of the module."""

    def __init__(self, module):
        self.driver, self.readers = {}, defaultdict(list)
        for name, cell in module["cells"].items():
            for pin, nets in cell["connections"].items():
                for net in nets:
                    if cell["port_directions"][pin] == "output":
                        self.driver[net] = name
                    else:
                        self.readers[net].append((name, pin))
        for port in module["ports"].values():
            for net in port["bits"]:
                self.readers[net].append((None, None))

    def only_reader(self, net):
        """The cell whose data input alone reads ``net``, or None."""
        (name, pin), *others = self.readers[net]
        return name if pin == "DI" and not others else None


def _nets_of(pins, sides):
    """Pins of ``sides`` of a multiplier, and the nets at them, without constants."""
    for pin, nets in pins.items():
        if pin[0] in sides and pin[1:].isdigit() and nets and isinstance(nets[0], int):
            yield pin, nets[0]


def _shared(cells):
    """The control of all ``cells``, where there are some, they are registers, and a multiplier can do the
    same; otherwise None."""
    controls = {_control(cell) for cell in cells}
    return controls.pop() if len(controls) == 1 else None


def _control(cell):
    if cell is None or cell["type"] != "TRELLIS_FF":
        return None
    values, pins = cell["parameters"], cell["connections"]
    enable = _net("CE", values.get("CEMUX"), pins, idle="1")
    reset  = _net("LSR", values.get("LSRMUX"), pins, idle="0")
    same = (values.get("CLKMUX") == "CLK" and values.get("REGSET") == "RESET"
            and values.get("SRMODE", "LSR_OVER_CE") == "LSR_OVER_CE"
            and "DI" in pins and "unlike" not in (enable, reset))
    return _Control(pins["CLK"][0], enable, reset) if same else None


def _net(pin, choice, pins, idle):
    """The net at ``pin`` of a register, None where that has no effect, or ``"unlike"`` where it is inverted
    or always has one. ``choice`` is the pin, inverted or not, or a constant."""
    if choice != pin:
        return None if choice is None or choice.strip() == idle else "unlike"
    net, = pins.get(pin, [idle])
    return None if net == idle else net if isinstance(net, int) else "unlike"


def _hold(cell, registers, number, control):
    """Switch ``registers`` of the multiplier ``cell`` on, with clock, enable and reset of ``number``."""
    cell["parameters"] |= {"GSR": "DISABLED", "RESETMODE": "SYNC", **{
        f"REG_{register}_{kind}": f"{kind}{number}"
        for register in registers for kind in ("CLK", "CE", "RST")}}
    for kind, net in ("CLK", control.clock), ("CE", control.enable), ("RST", control.reset):
        unused = "1" if kind == "CE" else "0"
        cell["connections"][f"{kind}{number}"] = [unused if net is None else net]
        cell["port_directions"][f"{kind}{number}"] = "input"


def _remove_unread(module):
    """Remove the registers that nothing reads any more, and those that only they have read."""
    while True:
        nets = _Nets(module)
        unread = [name for name, cell in module["cells"].items() if cell["type"] == "TRELLIS_FF"
                  and not nets.readers[cell["connections"]["Q"][0]]]
        if not unread:
            return
        for name in unread:
            del module["cells"][name]
