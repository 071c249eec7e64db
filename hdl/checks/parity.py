"""Parity of the words in the memories and queues of a block."""

from amaranth import *
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Parity", "ParityCheck", "error_port", "with_parity"]


#: Bits of a word whose parity is formed in one cycle, to keep the path of logic short.
_STEP = 32


def error_port(protect):
    """Members of the signature of a block for its check: the port ``error``, if it is protected."""
    return {"error": Out(1)} if protect else {}


def with_parity(word, width):
    """The integer ``word`` of ``width`` bits with a parity bit on top: the number of ones is even."""
    return word | (word.bit_count() & 1) << width


class Parity:
    """Give each word that a block stores a parity bit, and check it when the word is read.

    A stored word has an even number of ones. The check is beside the data paths of the block, which have
    the same latency as without it. Without ``protect`` words are stored as they are, and nothing is
    checked.

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
        #: Parity bits of a stored word.
        self.bits  = 1 if block.protect else 0
        #: Signals that are 1 for a cycle when a word that was used has lost its parity.
        self.errors = []

    def init(self, words, width):
        """Initial contents of a memory, for the integers ``words`` of ``width`` bits."""
        return [with_parity(word, width) for word in words] if self.bits else words

    def stored(self, word):
        """The value ``word`` with its parity bit."""
        return Cat(word, word.xor()) if self.bits else word

    def check(self, word, used, *, slow=False):
        """Check ``word``, with its parity bit, in each cycle in which ``used`` is 1.

        A word that comes late in the cycle, from a block memory (``slow``), goes through a register
        first.
        """
        if self.bits:
            check = ParityCheck(word, used, slow=slow)
            self.m.submodules[f"parity_{len(self.errors)}"] = check
            self.errors.append(check.error)

    def fifo(self, *, width, depth):
        """A queue like :class:`amaranth.lib.fifo.SyncFIFO` whose words are checked as they are taken."""
        if not self.bits:
            return fifo.SyncFIFO(width=width, depth=depth)
        queue = _Fifo(width, depth)
        self.errors.append(queue.error)
        return queue

    def watch(self, *blocks):
        """Include the errors of those of ``blocks``, submodules of the block, that are protected."""
        if self.bits:
            self.errors += [block.error for block in blocks if "error" in block.signature.members]

    def report(self):
        """Drive the port ``error``, a cycle later."""
        if self.bits:
            self.m.d.sync += self.block.error.eq(Cat(self.errors).any())

    def report_at_once(self):
        """Drive the port ``error`` of a block that is a part of another one, in the same cycle."""
        if self.bits:
            self.m.d.comb += self.block.error.eq(Cat(self.errors).any())


class ParityCheck(Elaboratable):
    """See :meth:`Parity.check`. ``error`` is 1 two cycles after a wrong word, or three if it is slow."""

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
    """Queue that adds and checks parity bits. Its other ports are those of a queue without them."""

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
