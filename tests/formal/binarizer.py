"""Proofs about the comparison of pixels."""

from functools import partial

from hdl.input.binarizer import Binarizer
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


SMALL = partial(Binarizer, thresholds=(1, 2), width=2)

PROOFS = [Proof(SMALL, keeps_stream_rules), Readiness(SMALL)]
