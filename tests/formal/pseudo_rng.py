"""Proofs about the pseudo-random source."""

from functools import partial

from proof import Proof
from readiness import Readiness
from streams import keeps_stream_rules

from hdl.random.pseudo_rng import PseudoRng


SMALL = partial(PseudoRng, drop=(100, 200), seed=1)

PROOFS = [Proof(SMALL, keeps_stream_rules), Readiness(SMALL)]
