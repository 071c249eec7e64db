"""Proofs about the comparison of pixels."""

from functools import partial

from proof import Proof
from readiness import Readiness
from streams import keeps_stream_rules

from hdl.input.binarizer import Binarizer


SMALL = partial(Binarizer, thresholds=(1, 2), width=2)

PROOFS = [Proof(SMALL, keeps_stream_rules), Readiness(SMALL)]
