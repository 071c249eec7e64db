"""Proofs about the scaled sums of the output layer."""

from functools import partial

from amaranth.hdl import signed, unsigned
from proof import Proof
from readiness import Readiness
from streams import keeps_stream_rules

from hdl.layer.logit import LogitScaler
from hdl.layer.scale_mux import gain_layout


def make(*, banks):
    return LogitScaler(gain_layout(signed(2), signed(2)), unsigned(2), signed(5), banks=banks)


PROOFS = [Proof(partial(make, banks=2), keeps_stream_rules), Readiness(partial(make, banks=2))]
