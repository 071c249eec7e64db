"""Proofs about the comparison of sums."""

from functools import partial

from amaranth.hdl import unsigned

from hdl.layer.comparator import Comparator
from hdl.layer.scale_mux import comparison_layout
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


def make(*, bits):
    return Comparator(comparison_layout(range(4), bits), unsigned(2), lanes=2, columns=1)


PROOFS = [
    *(Proof(partial(make, bits=bits), keeps_stream_rules) for bits in (1, 2)),
    Readiness(partial(make, bits=2)),
]
