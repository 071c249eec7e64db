"""Proofs about numbers of a regression."""

from functools import partial

from amaranth.hdl import signed

from hdl.head.offset_binary import OffsetBinary
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


make = partial(OffsetBinary, signed(18))

PROOFS = [Proof(make, keeps_stream_rules), Readiness(make)]
