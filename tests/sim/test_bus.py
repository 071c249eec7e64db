# amaranth: UnusedElaboratable=no
"""Accelerators on AXI: packets, registers and interrupts of the Verilog, with bus models of others."""

import json
import shutil
from dataclasses import replace

import numpy as np

from gen.build import build_network
from gen.checkpoint import read
from gen.estimate import timeline
from gen.ir import Input, Layer, Network, Target, load
from gen.lower import lower
from gen.methods import choose
from gen.split_mix import seeds_of
from golden.answers import answer_passes
from golden.random.generator import choices
from host.settings import reseeding
from sim.verilator import simulator
from tests.host.axi import Accelerator as Model
from tests.outcomes import outcomes_by


#: Of a design, all that a bench may look at: the signals of the module on the bus.
VISIBLE = '`verilator_config\npublic_flat_rw -module "accelerator_axi" -var "*"\n'


def make(network, target, folder):
    """Build ``network`` in ``folder``, and a simulator of it; return what the manifest says."""
    build_network(network, target, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "visible.vlt").write_text(VISIBLE)
    sources = [folder / path for path in (*manifest["sources"], *manifest["bus"]["sources"], "visible.vlt")]
    simulator.build(sources, manifest["bus"]["top"], folder, log=folder / "build.log")
    return manifest


def run(folder, plan):
    """Run all of the bench, and send packets as ``plan`` has it; return the answers."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copy(folder / "bus" / "spincim_registers.py", work)
    (work / "plan.json").write_text(json.dumps(plan))
    simulator.run("accelerator_axi", "tests.sim.bus_bench", folder, work, variables={},
                  log=work / "simulate.log")
    return json.loads((work / "answers.json").read_text())


def records(answer, manifest):
    """What the packets of an answer say, by the names of the fields: arrays (N, K)."""
    kind = np.dtype([(field["name"], f"<u{field['width'] // 8}") for field in manifest["bus"]["record"]])
    return np.stack([np.frombuffer(bytes.fromhex(packet), kind) for packet in answer["packets"]])


def check(network, manifest, images, passes, answer, mismatches):
    """Compare an answer with the golden model, in every bit."""
    golden  = answer_passes(network, images, choices(network.generator, len(images), passes)).prediction
    came    = records(answer, manifest)
    shape   = len(images), network.layers[-1].outputs
    assert came.shape == shape
    for name, wanted in (("sum", golden.sums), ("square", golden.squares), ("votes", golden.votes),
                         ("confident", golden.confident)):
        assert (came[name] == wanted).all(), name
    assert (came["prediction"] == golden.prediction[:, None]).all()
    assert (came["passes"] == passes).all()
    flags = np.zeros(shape, np.uint32)
    flags[:, -1] = 1
    flags += 2 * golden.reject[:, None].astype(np.uint32)
    flags += 8 * np.asarray(mismatches, np.uint32)[:, None]
    assert (came["flags"] == flags).all()


def filled(packet, size):
    return np.frombuffer(packet[:size].ljust(size, b"\0"), np.uint8)


def small(write_checkpoint, folder, pixels):
    """A network of two layers, with random parameters."""
    network = choose(Network("small", pixels, (
        Layer("first", 6, 7, pixels.channels, (3, 3), 5, pool=2, padding=1, input_bits=pixels.bits),
        Layer("last", 3, 3, 5, (3, 3), 3))), "scale-dropout")
    write_checkpoint(folder / "small.npz", network, seed=3)
    return read(folder / "small.npz", network)


def test_packets(write_checkpoint, tmp_path):
    """Images with and without gaps are those of the golden model in every bit; a packet that is too short
    or too long is one image too, and those that follow are as they were. Images come as fast as without a
    bus. A pixel of three bytes is in one beat of four, or in two. The bench also tests registers and
    interrupts.
    """
    pixels   = Input(6, 7, (90, 180), colours=3)
    target   = Target(array_rows=16, array_columns=4, passes=3, passes_max=9, bus="axi")
    folder   = tmp_path / "out"
    manifest = make(small(write_checkpoint, tmp_path, pixels), target, folder)
    size     = 42 * pixels.colours
    rng      = np.random.default_rng(0)
    lengths  = [size, size - 1, size, size + 1, size, 1, size, 3 * size, size, size + 9, size - 9, size]
    ragged   = [rng.bytes(length) for length in lengths]
    whole    = [rng.bytes(size) for _ in range(25)]
    plan = [{"packets": [packet.hex() for packet in packets], "registers": registers, "seed": seed,
             "gaps": gaps} for packets, registers, seed, gaps in (
        (whole, {}, None, False), (ragged, {"PASSES": 7}, 2**64 - 1, True),
        (ragged, {"PASSES": 9}, 3, False),
        (whole, {"PASSES": 1, "CONFIDENCE": 30000, "AGREEMENT": 100}, None, True))]
    answers = run(folder, plan)
    network = load((folder / "ir.json").read_text())
    for case, answer in zip(plan, answers, strict=True):
        packets = [bytes.fromhex(packet) for packet in case["packets"]]
        told    = case["registers"]
        passes  = told.get("PASSES", 3)
        seeds   = network.generator.seeds if case["seed"] is None else seeds_of(case["seed"], 1)
        as_told = replace(network, generator=replace(network.generator, seeds=seeds), head=replace(
            network.head, confidence=told.get("CONFIDENCE", network.head.confidence),
            agreement=told.get("AGREEMENT", network.head.agreement)))
        images  = np.stack([filled(packet, size) for packet in packets]).reshape(-1, *pixels.shape)
        wrong   = [len(packet) != size for packet in packets]
        check(as_told, manifest, images, passes, answer, wrong)
        model = Model(network, manifest)
        address = {register["name"]: register["address"] for register in manifest["bus"]["registers"]}
        for name, value in (*told.items(), *reseeding(seeds)):
            model.write(address[name], value)
        assert [model.packet(packet).hex() for packet in packets] == answer["packets"]
        assert {**answer["registers"], "CYCLES": 0} == {
            name: model.read(address[name]) for name in answer["registers"]}
        registers = answer["registers"]
        assert [registers[name] for name in ("IMAGES", "RESULTS", "MISMATCHES", "PASSES", "STATUS")] == [
            len(packets), len(packets), sum(wrong), passes, 0]
        assert registers["EVENTS"] == 1 + 2 * any(wrong)
    drawn   = outcomes_by(network, choices(network.generator, len(whole), 3))
    bare    = timeline(lower(network, target), drawn)
    assert (np.diff(answers[0]["ends"]) == np.diff(bare.results)).all()
