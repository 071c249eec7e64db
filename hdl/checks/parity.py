"""Parity of the words of a block's memories and queues."""

from amaranth import *
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Parity", "ParityCheck", "error_port", "with_parity"]


#: Bits of which the parity is formed in one cycle.
_STEP = 32


def error_port(protect):
    """Members of a block that checks itself: ``error``, if it does so."""
    return {"error": Out(1)} if protect else {}


def with_parity(word, width):
    """The integer ``word`` of ``width`` bits with a bit on top that makes the number of ones even."""
    return word | (word.bit_count() & 1) << width


class Parity:
    """Give the words that a block stores a parity bit, and check it when they are read.

    A stored word has an even number of ones. The check stands beside the paths of the block and adds
    nothing to them. Without ``protect`` words are stored as they are, and nothing is checked.

    Parameters
    ----------
    m : Module
        Module of the block.
    block : component
        The block: its ``protect`` says whether it is protected, and then it has the port ``error``.
    """

    def __init__(self, m, block):
        self.m     = m
        self.block = block
        #: Bits that a stored word is wider.
        self.bits  = 1 if block.protect else 0
        #: Registers that are 1 for a cycle when a word that was used has lost its parity.
        self.errors = []

    def init(self, words, width):
        """First contents of a memory: ``words`` of ``width`` bits."""
        return [with_parity(word, width) for word in words] if self.bits else words

    def stored(self, word):
        """What to store for ``word``."""
        return Cat(word, word.xor()) if self.bits else word

    def check(self, word, used, *, slow=False):
        """Check ``word``, with its parity bit, in each cycle in which ``used`` is 1.

        One that comes ``slow``, from a block memory, goes through a register first.
        """
        if self.bits:
            check = ParityCheck(word, used, slow=slow)
            self.m.submodules[f"parity_{len(self.errors)}"] = check
            self.errors.append(check.error)

    def fifo(self, *, width, depth):
        """A queue as :class:`amaranth.lib.fifo.SyncFIFO`, whose words are checked as they are taken."""
        if not self.bits:
            return fifo.SyncFIFO(width=width, depth=depth)
        queue = _Fifo(width, depth)
        self.errors.append(queue.error)
        return queue

    def watch(self, *blocks):
        """Hand on the errors of ``blocks``, which are inside, as far as they have any."""
        if self.bits:
            self.errors += [block.error for block in blocks if "error" in block.signature.members]

    def report(self):
        """Drive the port ``error``, a cycle later."""
        if self.bits:
            self.m.d.sync += self.block.error.eq(Cat(self.errors).any())


class ParityCheck(Elaboratable):
    """See :meth:`Parity.check`. ``error`` is 1 two cycles after a word that is wrong, or three."""

    def __init__(self, word, used, *, slow):
        self.word, self.used, self.slow = word, Value.cast(used), slow
        self.error = Signal()

    def elaborate(self, platform):
        m = Module()

        word, used = self.word, self.used
        if self.slow:
            word = Signal(len(word))
            used = Signal()
            m.d.sync += [word.eq(self.word), used.eq(self.used)]
        parts = Signal(-(-len(word) // _STEP))
        taken = Signal()
        m.d.sync += [
            parts.eq(Cat(word[start:start + _STEP].xor() for start in range(0, len(word), _STEP))),
            taken.eq(used),
            self.error.eq(taken & parts.xor()),
        ]

        return m


class _Fifo(wiring.Component):
    """Queue of words with a parity bit. Ports are those of a queue of the words alone."""

    protect = True

    def __init__(self, width, depth):
        self.depth = depth
        super().__init__({
            "w_data": In(width), "w_en": In(1), "w_rdy": Out(1),
            "r_data": Out(width), "r_en": In(1), "r_rdy": Out(1),
            **error_port(True),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.words = words = fifo.SyncFIFO(width=len(self.w_data) + parity.bits,
                                                   depth=self.depth)
        m.d.comb += [
            words.w_data.eq(parity.stored(self.w_data)),
            words.w_en.eq(self.w_en),
            self.w_rdy.eq(words.w_rdy),
            self.r_data.eq(words.r_data),
            words.r_en.eq(self.r_en),
            self.r_rdy.eq(words.r_rdy),
        ]
        parity.check(words.r_data, words.r_rdy & words.r_en)
        parity.report()

        return m
