"""Proofs about values in fixed point."""

from functools import partial

from amaranth.hdl import signed, unsigned

from hdl.layer.scale_mux import gain_layout
from hdl.layer.value_scaler import ValueScaler
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


def make(*, lanes):
    return ValueScaler(gain_layout(signed(2), signed(2)), unsigned(2), bits=2, lanes=lanes, columns=2)


PROOFS = [Proof(partial(make, lanes=2), keeps_stream_rules), Readiness(partial(make, lanes=2))]
