"""The registers of an accelerator on a bus, described once: hardware, headers and documentation follow."""

from dataclasses import dataclass


__all__ = ["ADDRESS_BITS", "IDENTITY", "Field", "Register", "register_map"]


#: Bits of a byte address: registers have 4 KiB, the least that maps of addresses usually give to a block.
ADDRESS_BITS = 12

#: What the first register says: "SPIN" in ASCII, read as a number.
IDENTITY = 0x5350494E


@dataclass(frozen=True)
class Field:
    """Bits of a register."""

    name: str
    low: int   #: The lowest bit.
    width: int
    text: str  #: What it means, or does when it is written.


@dataclass(frozen=True)
class Register:
    """A register of 32 bits.

    Parameters
    ----------
    name : str
        Name in capitals.
    kind : str
        ``constant``: ``value`` is read. ``input``: so are signals of the hardware. ``counter``: counts
        modulo 2 ** 32 from reset. ``setting``: what was written last is read, ``value`` after reset.
        ``flags``: each bit is set by the hardware, and cleared where a 1 is written. ``command``: what is
        written goes to the hardware, all of its bytes, and 0 is read.
    address : int
        Byte address, a multiple of 4.
    text : str
        What it means.
    fields : tuple of Field
        Its bits, if they have several meanings. Others are read as 0.
    value : int
        See ``kind``.
    limits : tuple of int or None
        The least and the most that a setting may be; other values become the nearest one.
    idle : bool
        Whether what is written while an image is on its way is refused.
    """

    name: str
    kind: str
    address: int
    text: str
    fields: tuple[Field, ...] = ()
    value: int = 0
    limits: tuple[int, int] | None = None
    idle: bool = False

    @property
    def access(self) -> str:
        """How software uses it."""
        return {"setting": "read, write", "flags": "read, write 1 to clear",
                "command": "write"}.get(self.kind, "read")

    @property
    def width(self) -> int:
        """Bits that a setting needs."""
        return (self.limits[1] if self.limits else self.mask).bit_length()

    @property
    def mask(self) -> int:
        """The bits of the fields, or all."""
        return sum((1 << field.width) - 1 << field.low for field in self.fields) or 2**32 - 1


_EVENTS = (
    ("result", "the last beat of a result has been taken"),
    ("mismatch", "a packet of pixels has been too short or too long"),
    ("alarm", "a health test of the random bits has failed"),
    ("error", "a fault has been seen; only of builds with `--protect`"),
    ("refused", "a register has been written that only changes while no image is on its way; it stays"),
)


def _flags(texts):
    return tuple(Field(name, low, 1, text) for low, (name, text) in enumerate(texts))


def register_map(*, pixels, colours, classes, positions=(1, 1), passes, passes_max, width, confidence=62260,
                 agreement=90, sources=0, version=(0, 0, 0), build=0):
    """Return the registers of an accelerator.

    Parameters
    ----------
    pixels, colours, classes : int
        Pixels of an image, components of a pixel, classes.
    positions : tuple of int
        Height and width of the map of logits, each position of which has an answer of its own.
    passes, passes_max : int
        T after reset, and T_max.
    width : int
        Bits of a beat of pixels.
    confidence, agreement : int
        Confidence threshold in Q0.16, and per cent of the passes that must reach it, after reset.
    sources : int
        Random sources that can get another state.
    version : tuple of int
        Version of the generator: three numbers below 256, 256 and 65,536.
    build : int
        32 bits that name what was built.
    """
    major, minor, patch = version
    return (
        Register("ID", "constant", 0x00, "\"SPIN\" in ASCII: there is an accelerator here", value=IDENTITY),
        Register("VERSION", "constant", 0x04, "version of the generator", (
            Field("patch", 0, 16, "third number"), Field("minor", 16, 8, "second number"),
            Field("major", 24, 8, "first number")), value=major << 24 | minor << 16 | patch),
        Register("BUILD", "constant", 0x08, "the first 32 bits of `bus.hash` in `manifest.json`, which "
                 "names the network and the options", value=build),
        Register("CONTROL", "setting", 0x10, "what the accelerator does", (
            Field("enable", 0, 1, "take packets of pixels; one that has begun goes on"),), value=1),
        Register("PASSES", "setting", 0x14, "T of images whose first pixel comes from now on; 0 becomes 1, "
                 "and what is beyond T_max becomes T_max", value=passes, limits=(1, passes_max)),
        Register("STATUS", "input", 0x18, "how it is", (
            Field("busy", 0, 1, "an image has begun, and its result is not sent yet"),
            Field("alarm", 1, 1, "a health test of the random bits has failed since reset"),
            Field("error", 2, 1, "a fault has been seen since reset; only of builds with `--protect`"))),
        Register("EVENTS", "flags", 0x1C, "what has happened since it was cleared", _flags(_EVENTS)),
        Register("INTERRUPTS", "setting", 0x20, "events that raise `interrupt` until they are cleared",
                 _flags(_EVENTS)),
        Register("IMAGES", "counter", 0x24, "images that have been taken whole"),
        Register("RESULTS", "counter", 0x28, "results whose last beat has been taken"),
        Register("MISMATCHES", "counter", 0x2C, "packets of pixels that were too short or too long"),
        Register("CYCLES", "counter", 0x30, "cycles of the clock"),
        Register("CONFIDENCE", "setting", 0x34, "when a pass is confident; only changes while no image is "
                 "on its way", (Field("threshold", 0, 16, "what the probability must reach; Q0.16"),),
                 value=confidence, idle=True),
        Register("AGREEMENT", "setting", 0x38, "when an image is rejected; only changes while no image is "
                 "on its way", (Field("percent", 0, 7, "unless a class is confident in so many per cent "
                 "of the passes"),), value=agreement, idle=True),
        Register("PIXELS", "constant", 0x40, "pixels of an image", value=pixels),
        Register("COLOURS", "constant", 0x44, "bytes of a pixel", value=colours),
        Register("CLASSES", "constant", 0x48, "records of a result; of one with several positions, those "
                 "of each", value=classes),
        Register("PASSES_MAX", "constant", 0x4C, "T_max", value=passes_max),
        Register("BEAT", "constant", 0x50, "bytes of a beat of pixels", value=width // 8),
        Register("SOURCES", "constant", 0x54, "random sources that can be reseeded; 0: there are no "
                 "registers for that", value=sources),
        *([Register("POSITIONS", "constant", 0x58, "positions of an image that have an answer each; only "
                    "if there are several", (Field("width", 0, 16, "positions of a row"),
                                             Field("height", 16, 16, "rows")),
                    value=positions[0] << 16 | positions[1])] if positions != (1, 1) else []),
        *([Register("STATE_LOW", "command", 0x60, "lower half of the state that a random source gets"),
           Register("STATE_HIGH", "command", 0x64, "upper half of it; never are both 0"),
           Register("RESEED", "command", 0x68, "number, from 0 on, of the random source that gets it; only "
                    "while no image is on its way", idle=True)] if sources else []),
    )
