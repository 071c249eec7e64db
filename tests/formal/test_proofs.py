# amaranth: UnusedElaboratable=no
"""All proofs, with the marker ``formal``; a few quick ones otherwise, and that a proof fails where there is
a fault."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from tests.formal.blocks import BLOCKS, CASES, HDL, WITHOUT
from tests.formal.conftest import write
from tests.formal.readiness import Readiness
from tests.formal.yosys_abc import limited
from tests.results import REPORTS, ROOT, once


@pytest.mark.formal
@pytest.mark.parametrize("name", CASES)
def test_proof(name, record_property):
    """What is found stays in ``build/formal``, wave forms too."""
    _, proof = CASES[name]

    def find():
        started = time.monotonic()
        result  = proof.run(ROOT / "build" / "formal" / name)
        return {"status": result["status"], "seconds": round(time.monotonic() - started, 1),
                "result": str(result)}

    found = once(REPORTS / "formal", name, find, lambda found: found["status"] == "proven")
    result = found.pop("result")
    for each in found.items():
        record_property(*each)
    assert found["status"] == "proven", result


def find_proof(block, name):
    """Return the first proof ``name`` of ``block``."""
    return next(proof for of, proof in CASES.values() if of == block and proof.name == name)


@pytest.mark.parametrize("block, name", [
    ("health", "alarms_exactly"), ("mtj_rng", "keeps_the_phases"), ("pass_split", "never_waits_for_ready")])
def test_proven(tmp_path, block, name):
    proof = find_proof(block, name)
    assert proof.run(tmp_path / name)["status"] == "proven"
    assert len(proof.claim) > 20


class Spoiled(wiring.Component):
    """A block with a fault: ``spoil`` takes a module, the name of an output and what the block sends
    there, and returns what leaves."""

    def __init__(self, make, spoil):
        inner = make()
        super().__init__(inner.signature)
        self.inner = inner
        self.spoil = spoil

    def __getattr__(self, name):
        """The parameters of the block are those of the spoiled one."""
        if "inner" not in vars(self):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        for (path, member, outside), (_, _, inside) in zip(
                self.signature.flatten(self), self.signature.flatten(self.inner), strict=True):
            if member.flow is In:
                m.d.comb += Value.cast(inside).eq(outside)
            else:
                m.d.comb += Value.cast(outside).eq(self.spoil(m, "__".join(path), inside))
        return m


def delay(m, value):
    later = Signal.like(value)
    m.d.sync += later.eq(value)
    return later


def read_too_long(m, name, value):
    """The read goes on into RESET."""
    return value | delay(m, value) if name == "mtj__read" else value


def drop_a_pass(m, name, value):
    """Pass 1 is in no set."""
    return Value.cast(value) & ~(1 << 1) if name == "o__payload" else value


def enable_two(m, name, value):
    """Array 0 is always enabled too."""
    return value | 1


def withdraw(m, name, value):
    """Now and then a word is not offered for a cycle."""
    return value & delay(m, ~value) if name == "o__valid" else value


@pytest.mark.some(2)
@pytest.mark.parametrize("block, name, spoil", [
    ("mtj_rng", "keeps_the_phases", read_too_long), ("pass_split", "divides_each_set", drop_a_pass),
    ("arbiter", "enables_the_chosen_array", enable_two), ("word_packer", "keeps_stream_rules", withdraw)])
def test_finds_a_fault(tmp_path, block, name, spoil):
    proof  = find_proof(block, name)
    result = replace(proof, make=partial(Spoiled, proof.make, spoil)).run(tmp_path / name)
    assert result["status"] == "failed"
    assert Path(result["trace"]).stat().st_size
    assert result["assertion"][0].startswith((f"{block}.py:", "streams.py:"))


def test_finds_what_never_happens(tmp_path):
    """A proof that holds because nothing happens is none."""
    proof = replace(find_proof("word_packer", "joins_groups"), reach=3)
    assert proof.run(tmp_path / "proof")["status"] == "vacuous"


def test_limit_is_processor_time(tmp_path):
    """It is the system that ends a solver, not a clock, which would give a busy machine less."""
    result = replace(find_proof("averaging", "counts_every_pass"), seconds=3).run(tmp_path)
    assert result["status"] == "not finished in time"
    assert "ABC did not end" in (tmp_path / "prove" / "logfile.txt").read_text()


def test_limited():
    """A program that waits is not ended, one that computes is."""
    assert subprocess.run(limited(1, ["sleep", "2"])).returncode == 0
    assert subprocess.run(limited(1, [sys.executable, "-c", "while True: pass"])).returncode != 0


class Shy(wiring.Component):
    """Offers a word only to who is ready."""

    i: In(stream.Signature(2))
    o: Out(stream.Signature(2))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.o.ready),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(self.o.ready),
        ]
        return m


def test_finds_what_waits_for_ready(tmp_path):
    result = Readiness(Shy).run(tmp_path / "proof")
    assert result["status"] == "failed"
    assert Path(result["trace"]).read_text().strip()


def test_every_block_is_named():
    """Of each block something is proven, or it is said why not."""
    blocks = {path.stem for path in HDL.rglob("*.py")} - {"__init__"}
    assert set(BLOCKS) | set(WITHOUT) == blocks
    assert not set(BLOCKS) & set(WITHOUT)


PROVEN = {name: {"status": "proven", "seconds": 0.5} for name in CASES}


def test_report(tmp_path):
    """A proof that could not be tried does not hold; one of a few cycles is counted apart."""
    path = tmp_path / "formal.json"
    assert write(PROVEN, True, 1.0, path) == f"{len(CASES)} of {len(CASES)} proofs hold; {path}"
    report = json.loads(path.read_text())
    assert report["passed"] and "partial" not in report
    assert report["blocks"]["arbiter"] == {"proven": "4 of 4"}
    bounded = next(name for name, (_, proof) in CASES.items() if proof.bounded)
    assert report["blocks"][CASES[bounded][0]]["proven"].endswith("to a depth")
    first = next(row for row in report["tables"]["Proofs"] if row["block"] == "`arbiter`")
    assert (first["status"], first["of"]) == ("proven", "arrays=2, ways=1")
    assert len(report["notes"]) == len(WITHOUT)

    name = next(name for name in CASES if name.startswith("arbiter-"))
    write(PROVEN | {name: {}}, False, 1.0, path)
    report = json.loads(path.read_text())
    assert not report["passed"] and report["blocks"]["arbiter"] == {"proven": "3 of 4"}
    assert report["summary"] == f"{len(CASES) - 1} of {len(CASES)} proofs hold"


def test_report_of_some_is_not_written(tmp_path):
    path = tmp_path / "formal.json"
    some = {name: result for name, result in PROVEN.items() if name.startswith("arbiter-")}
    assert write(some, True, 1.0, path) == (
        f"4 of 4 proofs hold; formal.json is of all {len(CASES)} and stays as it is")
    assert not path.exists()
