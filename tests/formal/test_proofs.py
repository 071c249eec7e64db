# amaranth: UnusedElaboratable=no
"""Some proofs that are quick, and that a proof fails when there is a fault."""

import importlib
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


@pytest.fixture(autouse=True)
def siblings(monkeypatch):
    """Proofs import each other as the scripts beside this file."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(Path(__file__).parent)):
            del sys.modules[name]


def proofs(block):
    return importlib.import_module(block).PROOFS


def run(block, name, folder, make=None):
    """Run the first proof ``name`` of ``block``, of what ``make`` makes if it is given."""
    proof = next(proof for proof in proofs(block) if proof.name == name)
    return proof, (replace(proof, make=make) if make else proof).run(folder / name)


@pytest.mark.parametrize("block, name", [
    ("health", "alarms_exactly"), ("mtj_rng", "keeps_the_phases"), ("pass_split", "never_waits_for_ready")])
def test_proven(tmp_path, block, name):
    proof, result = run(block, name, tmp_path)
    assert result["status"] == "proven"
    assert result["claim"] == proof.claim and len(result["claim"]) > 20


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


@pytest.mark.parametrize("block, name, spoil", [
    ("mtj_rng", "keeps_the_phases", read_too_long), ("pass_split", "divides_each_set", drop_a_pass),
    ("arbiter", "enables_the_chosen_array", enable_two), ("word_packer", "keeps_stream_rules", withdraw)])
def test_finds_a_fault(tmp_path, block, name, spoil):
    make = next(proof.make for proof in proofs(block) if proof.name == name)
    _, result = run(block, name, tmp_path, partial(Spoiled, make, spoil))
    assert result["status"] == "failed"
    assert Path(result["trace"]).stat().st_size
    assert result["assertion"][0].startswith((f"{block}.py:", "streams.py:"))


def test_finds_what_never_happens(tmp_path):
    """A proof that holds because nothing happens is none."""
    import word_packer
    proof = next(proof for proof in word_packer.PROOFS if proof.name == "joins_groups")
    assert replace(proof, reach=3).run(tmp_path / "proof")["status"] == "vacuous"


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
    from readiness import Readiness
    result = Readiness(Shy).run(tmp_path / "proof")
    assert result["status"] == "failed"
    assert Path(result["trace"]).read_text().strip()


def test_every_block_is_named():
    """Of each block something is proven, or it is said why not."""
    import prove
    blocks = {path.stem for path in (prove.ROOT / "hdl").rglob("*.py")} - {"__init__"}
    assert set(prove.BLOCKS) | set(prove.WITHOUT) == blocks
    assert not set(prove.BLOCKS) & set(prove.WITHOUT)


def test_report(tmp_path, capsys):
    import prove
    out = tmp_path / "verification" / "formal.json"
    assert prove.main(["arbiter", "--jobs", "1", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["target"] == "formal" and report["status"] == "run"
    assert [result["status"] for result in report["blocks"]["arbiter"]] == ["proven"] * 3
    assert report["blocks"]["arbiter"][0]["parameters"] == "arrays=2"
    assert "3 of 3 proven" in capsys.readouterr().out


def test_rejects_a_name(capsys):
    import prove
    with pytest.raises(SystemExit):
        prove.main(["adder"])
    assert "Block must be one of adder_accumulator, " in capsys.readouterr().err
