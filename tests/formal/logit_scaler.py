"""Proofs about the scaled sums of the output layer."""

from functools import partial

from amaranth.hdl import signed, unsigned
from proof import Proof
from readiness import Readiness
from streams import keeps_stream_rules

from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.scale_mux import gain_layout


def make(*, lanes):
    return LogitScaler(gain_layout(signed(2), signed(2)), unsigned(2), signed(5), lanes=lanes)


PROOFS = [Proof(partial(make, lanes=2), keeps_stream_rules), Readiness(partial(make, lanes=2))]
