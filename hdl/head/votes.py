# amaranth: UnusedElaboratable=no
"""How many passes voted for each class, in a memory."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.head.result import SMALL
from hdl.stream import delayed


__all__ = ["Votes"]


class Votes(wiring.Component):
    """Count for each place, a class of a position, in a memory, the passes in which it was the largest.

    Parameters
    ----------
    places, passes : int
        Classes of all positions, and T_max.
    protect : bool
        Check the parity of votes.

    Members
    -------
    best, count : In(range(places)), In(range(passes + 1))
        Place with the largest probability of a position of the leaf, and passes of the leaf.
    vote : In(1)
        Add ``count`` to the votes of what ``best`` was in the cycle before, in which ``used`` was 1.
    index : In(range(places))
        Place to read or to clear.
    sending : In(1)
        Read the votes of ``index``, not those of ``best``.
    clear : In(1)
        Set the votes of ``index`` to 0.
    used : In(1)
        What is read in this cycle is used.
    votes : Out(range(passes + 1))
        Votes that were read in the cycle before.
    error : Out(1)
        1 for a cycle after votes have lost their parity. Only with ``protect``.
    """

    def __init__(self, places, passes, *, protect=False):
        self.places  = places
        self.protect = protect
        super().__init__({
            "best":    In(range(places)),
            "count":   In(range(passes + 1)),
            "vote":    In(1),
            "index":   In(range(places)),
            "sending": In(1),
            "clear":   In(1),
            "used":    In(1),
            "votes":   Out(range(passes + 1)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.ballots = ballots = memory.Memory(
            shape=len(self.votes) + parity.bits, depth=self.places, init=[])
        # What is larger is for block memories, whose read takes a cycle.
        small = self.places <= SMALL
        fetch = ballots.read_port(domain="comb" if small else "sync")
        store = ballots.write_port()
        best  = delayed(m, self.best, 1, name="best")
        votes_next = Signal.like(self.votes)
        m.d.comb += [
            fetch.addr.eq(Mux(self.sending, self.index, self.best)),
            votes_next.eq(Mux(self.vote, self.votes + self.count, 0)),
            store.addr.eq(Mux(self.vote, best, self.index)),
            store.data.eq(parity.stored(votes_next)),
            store.en.eq(self.vote | self.clear),
        ]
        used = self.used
        if small:
            m.d.sync += self.votes.eq(fetch.data)
        else:
            used = delayed(m, used, 1, name="used")
            m.d.comb += self.votes.eq(fetch.data)
        parity.check(fetch.data, used)
        parity.report_at_once()

        return m
