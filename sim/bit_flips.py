"""Flip bits of an emitted design while it runs, and see what its results say of it."""

import hashlib
import io
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

from gen.command import UserError
from gen.progress import Progress
from sim.design import Design
from sim.verilator import harness, simulator
from sim.verilator.work import work_folder


__all__ = ["CLASSES", "OUTCOMES", "InjectionError", "inject"]


#: What registers and memories hold, in the order of tables.
CLASSES = ("thresholds", "logit words", "weights", "maps", "pass sets", "masks", "random source",
           "line buffers", "memories of the head", "state machines", "counters and flags",
           "data registers", "array registers", "checks")

#: What becomes of a flipped bit, and what a host sees of it.
OUTCOMES = (
    "masked",       #: All results are right, and none is flagged.
    "flagged",      #: All results are right; one is flagged.
    "detected",     #: The first wrong result is flagged, or one before it.
    "silent",       #: A wrong result comes without a flag, and none before it had one.
    "hang_flagged", #: No result comes any more; the flag is up.
    "hang",         #: No result comes any more, and no flag is up.
)

#: The widest register that is counted among counters and flags.
_NARROW = 12

#: Blocks of :mod:`hdl` whose submodules have other names.
_BLOCKS = {"array_passes": "first_pass_sets", "relative": "softmax", "power": "softmax",
           "normalizer": "softmax"}


class InjectionError(UserError):
    """An experiment that cannot be made, with the way out in its message."""


def inject(directory: Path, images: np.ndarray, *, faults=100, seed=1, processes=2, steps=None) -> dict:
    """Flip ``faults`` random bits of each class of the design in ``directory``, one in each run.

    A bit flips once, in a random cycle from the first pixel to the last. Bits of memories stay so until
    they are written again, also those of weights and thresholds, which are not.

    Returns
    -------
    dict
        ``classes`` and ``blocks`` with the number of bits that there are, of faults, of each of
        :data:`OUTCOMES`, and of silent ones in which the class of an image is another; ``silent_in``
        has where most of the silent ones were.

    Raises
    ------
    InjectionError
        If the simulator fails, or the design does without a fault.
    """
    design = Design(directory)
    if design.arrays or design.manifest["rng"] != "emulated":
        raise InjectionError(f"Design in {directory} has pins of arrays or junctions; take one that is "
                             f"built with --view emulated --rng emulated")
    steps = steps or Progress(io.StringIO())
    with work_folder(design, "sim_faults") as work:
        steps.step(f"build injector for {directory}")
        program = _build(design, work)
        targets = [line.split() for line in _run([program, "list"], work).splitlines()]
        targets = [(int(number), scope.removeprefix("TOP."), name, int(width), int(words))
                   for number, scope, name, width, words in targets if scope != "TOP"]

        passes = design.manifest["passes"]
        image_file, fault_file = work / "images.bin", work / "faults.txt"
        image_file.write_bytes(np.ascontiguousarray(images, dtype=np.uint8).tobytes())
        fault_file.write_text("")
        limit = 4 * design.latency
        command = [program, "run", image_file, str(len(images)), str(passes), str(limit), fault_file,
                   str(processes)]
        cycles, flagged, _ = map(int, _run(command, work).split())
        if flagged:
            raise InjectionError(f"Design in {directory} flags {flagged} words of results without a fault")
        drawn = _draw(design, targets, max(1, cycles - design.latency), faults, seed)
        fault_file.write_text("".join(f"{target[0]} {word} {bit} {cycle}\n"
                                      for cycle, target, word, bit in drawn))
        steps.step(f"flip {len(drawn)} bits, one in each run")
        with (work / "run.log").open("w") as log, subprocess.Popen(
                [str(part) for part in command], cwd=work, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True) as running:
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
        "passes": passes,
        "cycles": cycles,
        "faults": len(drawn),
        "classes": _count(CLASSES, lambda target: _class_of(design, *target[1:]), targets, drawn,
                          outcomes),
        "blocks": _count(sorted({_block_of(design, target[1]) for target in targets}),
                         lambda target: _block_of(design, target[1]), targets, drawn, outcomes),
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
    (work / "design.h").write_text("".join(f"#define {name} {value}\n" for name, value in (
        ("PIXELS", design.pixels), ("WORDS", design.classes), ("PAYLOAD_WORDS", -(-width // 32)),
        ("ERROR_OFFSET", offsets["error"]["offset"]), ("CLASS_OFFSET", offsets["prediction"]["offset"]),
        ("CLASS_WIDTH", offsets["prediction"]["width"]),
        *([("ERROR_PORT", 1)] if design.manifest["protect"] else []))))
    # It runs in the folder where it is made.
    options = "-MAKEFLAGS", "OPT_GLOBAL=-O0", *harness.options(design, Path(".."))
    simulator.environment() # what is missing is said first
    stamp = work / "built"
    state = "\0".join((*options, *(path.read_text() for path in (
        *sources, work / "design.h", Path(simulator.__file__)))))
    state = hashlib.sha256(state.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return work / design.top
    stamp.unlink(missing_ok=True)
    try:
        simulator.compile_verilog(sources, design.top, work, *options, log=work / "build.log",
                                  beside=[work / "design.h"])
    except simulator.SimulatorFailed as error:
        raise InjectionError(str(error)) from None
    stamp.write_text(state)
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


def _draw(design, targets, cycles, faults, seed):
    """Faults in the order of their cycles: target, word and bit."""
    rng, drawn = random.Random(seed), []
    for name in CLASSES:
        inside = [target for target in targets if _class_of(design, *target[1:]) == name]
        if not inside:
            continue
        bits = [width * words for *_, width, words in inside]
        for target in rng.choices(inside, bits, k=faults):
            *_, width, words = target
            drawn.append((rng.randrange(cycles), target, rng.randrange(words), rng.randrange(width)))
    return sorted(drawn)


def _follow(lines, count, log):
    """Yield once per run, as far as the injector says so."""
    seen = 0
    for line in lines:
        log.write(line)
        if line.strip().isdigit():
            for _ in range(int(line) - seen):
                yield None
            seen = int(line)
    for _ in range(count - seen):
        yield None


def _outcome(wrong, flagged, class_changed, in_time, hung, error):
    """One of :data:`OUTCOMES`, and whether the class of an image is another."""
    if wrong >= 0:
        return ("detected" if in_time else "silent"), bool(class_changed)
    if hung:
        return ("hang_flagged" if error or flagged >= 0 else "hang"), False
    return ("flagged" if flagged >= 0 else "masked"), False


def _count(names, name_of, targets, drawn, outcomes):
    table = {}
    for name in names:
        bits = sum(width * words for *rest, width, words in targets
                   if name_of((*rest, width, words)) == name)
        mine = Counter(outcome for (_, target, *_), outcome in zip(drawn, outcomes, strict=True)
                       if name_of(target) == name)
        if bits:
            table[name] = {"bits": bits, "faults": sum(mine.values()), **{
                outcome: mine[outcome, False] + mine[outcome, True] for outcome in OUTCOMES},
                "silent_other_class": mine["silent", True],
                "silent_in": dict(Counter(
                    f"{target[1]}.{target[2]}" for (_, target, *_), (outcome, _) in
                    zip(drawn, outcomes, strict=True)
                    if outcome == "silent" and name_of(target) == name).most_common(5))}
    return table


def _block_of(design, scope):
    """Block of :mod:`hdl` that the scope is a part of."""
    parts = scope.split(".")[1:]
    for part in reversed(parts):
        if match := re.fullmatch(r"(array|health)_\d+", part):
            return match[1]
        if part in _BLOCKS:
            return _BLOCKS[part]
        if (part in ("window", "reader", "crossbar", "adder_accumulator", "scale_mux", "comparator",
                     "pool", "word_packer", "logit_scaler", "pass_split", "map_buffer")
                or part in design.manifest["blocks"] and part not in design.layers):
            return {"rng": "pseudo_rng"}.get(part, part)
    return "engine" if parts else "accelerator"


def _class_of(design, scope, name, width, words):
    """One of :data:`CLASSES`."""
    parts, block = scope.split("."), _block_of(design, scope)
    memory = words > 1
    if "parity" in name or "control_error" in name or any(
            re.fullmatch(r"parity_\d+", part) for part in parts) or name.startswith("error"):
        return "checks"
    if block == "array":
        return "weights" if memory else "array registers"
    if block == "scale_mux" and memory:
        return "logit words" if parts[1] == design.layers[-1] else "thresholds"
    if memory and {"sets", "presences", "sets_queue"} & set(parts):
        return "pass sets"
    if memory and block == "map_buffer":
        return "maps"
    if block == "mask_bank" and (memory or width > _NARROW):
        return "masks"
    if memory:
        return "line buffers" if block in ("window", "pool") else "memories of the head"
    if block == "pseudo_rng" and width > _NARROW:
        return "random source"
    if name.startswith("fsm_state"):
        return "state machines"
    # What is read from a memory has no name in Verilog.
    if width <= _NARROW and not re.fullmatch(r"_\d+_", name):
        return "counters and flags"
    return "pass sets" if "sets" in name or block == "pass_split" else "data registers"


def _run(command, work):
    result = subprocess.run([str(part) for part in command], cwd=work, capture_output=True, text=True,
                            check=False)
    (work / "run.log").write_text(result.stderr)
    if result.returncode:
        raise InjectionError(f"Injector failed; see {work / 'run.log'}")
    return result.stdout
