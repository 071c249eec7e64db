"""Flip bits of an emitted design while it runs, and see what its results say of it."""

import io
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

from gen.command import UserError
from gen.progress import Progress
from sim.bit_classes import CLASSES, block_of, class_of
from sim.design import Design
from sim.verilator import harness, simulator
from sim.verilator.simulation import Simulation
from sim.verilator.work import work_folder


__all__ = ["CLASSES", "OUTCOMES", "InjectionError", "inject"]


#: What becomes of a flipped bit, and what a host sees of it.
OUTCOMES = (
    "masked",       #: All results are right, and none is flagged.
    "flagged",      #: All results are right; one is flagged.
    "detected",     #: The first wrong result is flagged, or one before it.
    "silent",       #: A wrong result comes without a flag, and none before it had one.
    "hang_flagged", #: No result comes any more; the flag is up.
    "hang",         #: No result comes any more, and no flag is up.
)

class InjectionError(UserError):
    """An experiment that cannot be made, with the way out in its message."""


def inject(directory: Path, images: np.ndarray, *, flips=100, seed=1, processes=2, steps=None) -> dict:
    """Flip ``flips`` random bits of each class of the design in ``directory``, one in each run.

    A bit flips once, in a random cycle from the first pixel to the last. A flipped bit of a memory stays
    until it is written again; weights and thresholds never are.

    Returns
    -------
    dict
        ``classes`` and ``blocks`` with the number of bits that there are, of flips, of each of
        :data:`OUTCOMES`, and of silent flips that change the class of an image; ``silent_in`` has the
        registers and memories of most silent flips.

    Raises
    ------
    InjectionError
        If the simulator fails, or the design raises a flag without a flip.
    """
    design = Design(directory)
    design.need_one_instance("Bits are flipped")
    if design.arrays or design.manifest["rng"] != "emulated":
        raise InjectionError(f"Design in {directory} has pins of arrays or junctions; take one that is "
                             f"built with --view emulated --rng emulated")
    steps = steps or Progress(io.StringIO())
    with work_folder(design, "sim_faults", steps) as work:
        steps.step(f"build injector for {directory}")
        program = _build(design, work)
        targets = [line.split() for line in _run([program, "list"], work).splitlines()]
        targets = [(int(number), scope.removeprefix("TOP."), name, int(width), int(words))
                   for number, scope, name, width, words in targets if scope != "TOP"]

        simulation = Simulation(design, images, design.passes)
        image_file, flip_file = work / "images.bin", work / "flips.txt"
        simulation.write_images(image_file)
        flip_file.write_text("")
        command = [program, "run", image_file, str(len(images)), str(design.passes),
                   str(simulation.cycle_limit), flip_file, str(processes)]
        cycles, flagged, _ = map(int, _run(command, work).split())
        if flagged:
            raise InjectionError(f"Design in {directory} flags {flagged} words of results without "
                                 f"a flipped bit")
        drawn = _draw(design, targets, max(1, cycles - design.latency), flips, seed)
        flip_file.write_text("".join(f"{target[0]} {word} {bit} {cycle}\n"
                                     for cycle, target, word, bit in drawn))
        steps.step(f"flip {len(drawn)} bits, one in each run")
        with (work / "run.log").open("w") as log, subprocess.Popen(
                command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                for _ in steps.bar(_follow(running.stderr, len(drawn), log), len(drawn)):
                    pass
            except BaseException:
                running.terminate() # or it would be waited for
                raise
            _, *lines = running.stdout.read().splitlines()
            if running.wait() or len(lines) != len(drawn):
                raise InjectionError(f"Injector failed; see {log.name}")
    outcomes = [_outcome(*map(int, line.split())) for line in lines]
    return {
        "protect": design.manifest["protect"],
        "images": len(images),
        "passes": design.passes,
        "cycles": cycles,
        "flips": len(drawn),
        "classes": _count(CLASSES, lambda target: class_of(design, *target[1:]), targets, drawn,
                          outcomes),
        "blocks": _count(sorted({block_of(design, target[1]) for target in targets}),
                         lambda target: block_of(design, target[1]), targets, drawn, outcomes),
    }


def _build(design, work):
    """Compile the design with all that keeps a state marked as public, unless the program at hand is of
    the same sources; return the program."""
    sources = [Path(simulator.__file__).with_name("injector.cpp")]
    for source in design.sources:
        sources.append(work / source.name)
        sources[-1].write_text(_published(source.read_text()))
    offsets = {field["name"]: field for field in design.results}
    width   = design.payload("results")["width"]
    constants = {
        "PIXELS": design.pixels, "COLOURS": design.colours, "WORDS": design.words,
        "CLASSES": design.classes,
        "PAYLOAD_WORDS": -(-width // 32),
        "ERROR_OFFSET": offsets["error"]["offset"], "CLASS_OFFSET": offsets["prediction"]["offset"],
        "CLASS_WIDTH": offsets["prediction"]["width"],
        "FIXED": " ".join(f"top.{port['name']} = {port['init']};" for port in design.ports
                          if "init" in port)}
    if design.manifest["protect"]:
        constants["ERROR_PORT"] = 1
    (work / "design.h").write_text("".join(
        f"#define {name} {value}\n" for name, value in constants.items()))
    # It runs in the folder where it is made.
    options = "-MAKEFLAGS", "OPT_GLOBAL=-O0", *harness.options(design, Path(".."))
    try:
        simulator.compile_once(sources, design.top, work, *options, log=work / "build.log",
                               beside=[work / "design.h"])
    except simulator.SimulatorFailed as error:
        raise InjectionError(str(error)) from None
    return work / design.top


_NAME = r"(?:\\\S+ |[A-Za-z_][\w$]*)"


def _published(verilog):
    """Mark the registers and memories of ``verilog``, as Yosys writes it: what a clock assigns to."""
    modules = re.split(r"(?m)^(?=module )", verilog)
    for index, module in enumerate(modules):
        clocked = {name.strip() for name in re.findall(rf"(?m)^ +({_NAME}) ?(?:\[[^\]]*\])* <= ", module)}
        # What is never written is a memory all the same.
        clocked |= {name.strip() for name in re.findall(
            rf"(?m)^  reg (?:\[[^]]+\] )?({_NAME}) ?\[[^]]+\];", module)}
        modules[index] = re.sub(
            rf"(?m)^(  reg (?:\[[^]]+\] )?({_NAME})(?: ?\[[^]]+\])?)(?=;| =|  =)",
            lambda found, clocked=clocked: found[1] + (
                " /*verilator public_flat_rw*/" if found[2].strip() in clocked else ""), module)
    return "".join(modules)


def _draw(design, targets, cycles, flips, seed):
    """Flips in the order of their cycles: cycle, target, word and bit."""
    rng, drawn = random.Random(seed), []
    for name in CLASSES:
        candidates = [target for target in targets if class_of(design, *target[1:]) == name]
        if not candidates:
            continue
        bits = [width * words for *_, width, words in candidates]
        for target in rng.choices(candidates, bits, k=flips):
            *_, width, words = target
            drawn.append((rng.randrange(cycles), target, rng.randrange(words), rng.randrange(width)))
    return sorted(drawn)


def _follow(lines, count, log):
    """Yield once per run, as far as the injector says so."""
    seen = 0
    for line in lines:
        log.write(line)
        if line.strip().isdigit():
            yield from range(seen, int(line))
            seen = int(line)
    yield from range(seen, count)


def _outcome(wrong, flagged, class_changed, in_time, hung, error):
    """One of :data:`OUTCOMES`, and whether the class of an image is another."""
    if wrong >= 0:
        return ("detected" if in_time else "silent"), bool(class_changed)
    if hung:
        return ("hang_flagged" if error or flagged >= 0 else "hang"), False
    return ("flagged" if flagged >= 0 else "masked"), False


def _count(names, name_of, targets, drawn, outcomes):
    """Figures of each of ``names`` that ``name_of`` gives to any of ``targets``."""
    table = {}
    for name in names:
        bits = sum(target[-2] * target[-1] for target in targets if name_of(target) == name)
        if not bits:
            continue
        flips  = [(target, outcome) for (_, target, *_), outcome in zip(drawn, outcomes, strict=True)
                  if name_of(target) == name]
        counts = Counter(outcome for _, outcome in flips)
        silent = Counter(f"{target[1]}.{target[2]}" for target, (outcome, _) in flips
                         if outcome == "silent")
        table[name] = {"bits": bits, "flips": len(flips)}
        for outcome in OUTCOMES:
            table[name][outcome] = counts[outcome, False] + counts[outcome, True]
        table[name] |= {"silent_other_class": counts["silent", True],
                        "silent_in": dict(silent.most_common(5))}
    return table


def _run(command, work):
    result = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    (work / "run.log").write_text(result.stderr)
    if result.returncode:
        raise InjectionError(f"Injector failed; see {work / 'run.log'}")
    return result.stdout
