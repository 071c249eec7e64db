"""Proofs about the pseudo-random source."""

from functools import partial

from hdl.random.pseudo_rng import PseudoRng
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


SMALL = partial(PseudoRng, drop=(100, 200), seed=1)

PROOFS = [Proof(SMALL, keeps_stream_rules), Readiness(SMALL)]
