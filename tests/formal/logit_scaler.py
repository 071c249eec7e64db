"""Proofs about the scaled sums of the output layer."""

from functools import partial

from amaranth.hdl import signed, unsigned

from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.scale_mux import gain_layout
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import keeps_stream_rules


def make(*, lanes):
    return LogitScaler(gain_layout(signed(2), signed(2)), unsigned(2), signed(5), lanes=lanes)


PROOFS = [Proof(partial(make, lanes=2), keeps_stream_rules), Readiness(partial(make, lanes=2))]
