"""Compare emitted Verilog with the golden model: ``python -m sim.run build/lenet5``."""

import argparse
import hashlib
import io
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from gen.ir import load
from gen.progress import Steps
from golden.data import DataError, load_mnist, load_sample
from golden.network import forward, predict
from golden.random import choices, choices_of
from sim import harness, simulator
from sim.design import Design, DesignError
from sim.packing import unpack


__all__ = ["SimulationError", "simulate"]


class SimulationError(Exception):
    """A simulation that cannot be run or went wrong, with the way out in its message."""


def simulate(directory: Path, images: np.ndarray, labels=None, *, passes=None, maps=False,
             waves=False, duty=1.0, steps=None) -> dict:
    """Run ``images`` through the design in ``directory`` and compare each bit of each result.

    Parameters
    ----------
    directory : Path
        Output of a build.
    images : uint8 array (N, H, W)
        Images, sent back to back.
    labels : int array (N,), optional
        Their classes, for the accuracy.
    passes : int, optional
        T; that of the build unless given.
    maps : bool
        Compare every intermediate map and pass set too.
    waves : bool
        Leave waves in ``sim_waves/dump.vcd``.
    duty : float
        Probability that either end is active in a cycle. Below 1 no cycles are measured.
    steps : gen.progress.Steps, optional
        Where to say how far it is; three steps.

    Returns
    -------
    dict
        The report ``rtlsim_performance.json``.

    Raises
    ------
    SimulationError
        If the simulator fails or the design hangs.
    """
    design = Design(directory)
    network = load(design.ir)
    passes = design.manifest["passes"] if passes is None else passes
    if not 1 <= passes <= design.passes_max:
        raise SimulationError(f"Passes must be from 1 to {design.passes_max} (T_max of this build), "
                              f"not {passes}")
    if images.shape[1:] != (network.input.height, network.input.width):
        raise SimulationError(f"Images must be {network.input.height} x {network.input.width}, not "
                              f"{images.shape[1]} x {images.shape[2]}")
    if not design.emulated:
        raise SimulationError(f"Design in {directory} has its arrays outside; simulate one that is "
                              f"built with --view emulated")
    steps = steps or Steps(3, stream=io.StringIO())

    steps.step("build simulator")
    # A simulator that writes waves is another one, down to its run-time library.
    # The simulator runs in this folder, so its files are not named from here.
    work = directory.resolve() / ("sim_waves" if waves else "sim_build")
    work.mkdir(exist_ok=True)
    verilog = work / "harness.sv"
    harness.write(design, verilog)
    _build(design, verilog, work, waves=waves)

    steps.step(f"simulate {len(images)} images")
    started = time.monotonic()
    # Long enough for the most maps that so many passes can make.
    cycle_limit = 4 * design.latency * (1 + passes // design.manifest["passes"])
    variables, plusargs = _arguments(design, work, images, passes, maps, duty, cycle_limit)
    thread = threading.Thread(target=lambda: failure.extend(_attempt(
        harness.TOP, "sim.benches.accelerator", work, variables=variables, plusargs=plusargs,
        waves=waves, log=work / "simulate.log")))
    failure = []
    thread.start()
    for _ in steps.bar(_follow(thread, work / "results.txt", design.classes, len(images)),
                       len(images)):
        pass
    thread.join()
    if failure:
        raise SimulationError(str(failure[0]))
    seconds = time.monotonic() - started

    steps.step("compare with the golden model")
    lines = (work / "results.txt").read_text().splitlines()
    hang = [line for line in lines if line.startswith("h")]
    if hang:
        raise SimulationError(f"Design in {directory} gave no result for {cycle_limit} cycles (at cycle "
                              f"{hang[0].split()[1]}); look at the waves with --waves")
    chosen = _chosen(design, network, work, len(images), passes)
    golden, _ = predict(network, images, chosen)
    results = _results(design, lines)
    mismatches = _compare(golden, results)
    report = {
        "source": "simulated",
        "status": "run",
        "images": len(images),
        "bit_exact": not mismatches.any(),
        "mismatches": int(mismatches.sum()),
        "passes": passes,
        "schedule": design.schedule,
        "alarm": bool(int(next(line for line in lines if line[0] == "a").split()[1])),
        "simulated_images_per_second": len(images) / seconds,
    }
    if maps:
        different = _compare_maps(design, network, work, images, chosen)
        report |= {"map_mismatches": different, "bit_exact": report["bit_exact"] and not different}
    if duty == 1:
        report |= _cycles(lines, design.classes)
    if labels is not None:
        report["accuracy"] = float((results["prediction"] == labels).mean())
    return report


def _build(design, verilog, work, *, waves):
    """Compile the simulator, unless the one at hand is of the same sources."""
    stamp = work / "built"
    state = "".join(path.read_text() for path in (*design.sources, verilog))
    state = hashlib.sha256(state.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    stamp.unlink(missing_ok=True)
    simulator.build([*design.sources, verilog], harness.TOP, work, waves=waves,
                    log=work / "build.log")
    stamp.write_text(state)


def _arguments(design, work, images, passes, maps, duty, idle_limit):
    image_file, result_file = work / "images.bin", work / "results.txt"
    image_file.write_bytes(np.ascontiguousarray(images, dtype=np.uint8).tobytes())
    result_file.unlink(missing_ok=True)
    period_ps = 2 * round(5e5 / design.manifest["clock_mhz"])
    variables = {"PERIOD_PS": str(period_ps)}
    if design.manifest["rng"] == "mtj":
        variables["MTJ"] = json.dumps({
            "sources": design.manifest["random_sources"], "bits_file": str(work / "bits_{}.txt"),
            **{name: design.manifest["mtj"][name] for name in ("set_ns", "read_ns", "reset_ns")}})
    plusargs = [f"+images={len(images)}", f"+passes={passes}", f"+duty={round(256 * duty)}",
                f"+idle_limit={round(idle_limit / duty**2)}", f"+image_file={image_file}",
                f"+result_file={result_file}"]
    if maps:
        plusargs.append(f"+trace_file={work / 'trace.txt'}")
    return variables, plusargs


def _attempt(*args, **kwargs):
    try:
        simulator.run(*args, **kwargs)
    except RuntimeError as error:
        return [error]
    return []


def _follow(thread, path, words, images):
    """Yield once per image whose result has been written."""
    seen = 0
    while thread.is_alive():
        thread.join(0.5)
        done = path.read_text().count("\nr ") // words if path.exists() else 0
        for _ in range(min(done, images) - seen):
            yield None
        seen = max(seen, min(done, images))


def _chosen(design, network, work, images, passes):
    if design.manifest["rng"] == "emulated":
        return choices(network.generator, images, passes)
    # The junctions are asked in turn; each has drawn as many bits as the others, or one more.
    drawn = [np.array(list((work / f"bits_{source}.txt").read_text())) == "1"
             for source in range(design.manifest["random_sources"])]
    bits = np.stack([source[:min(map(len, drawn))] for source in drawn], axis=1)
    return choices_of(bits.ravel(), network.generator, images, passes)


def _results(design, lines):
    """Take the words of all results apart: int64 arrays (N, K), or (N,) from the last word."""
    words = [int(line.split()[2], 16) for line in lines if line[0] == "r"]
    results = {}
    for field in design.results:
        mask = (1 << field["width"]) - 1
        values = np.array([word >> field["offset"] & mask for word in words], dtype=np.int64)
        results[field["name"]] = values.reshape(-1, design.classes)
    for name in ("prediction", "reject", "passes"):
        results[name] = results[name][:, -1]
    return results


def _compare(golden, results):
    """Whether each image differs in anything."""
    different = np.zeros(len(golden.prediction), dtype=bool)
    for name, values in (("sum", golden.sums), ("square", golden.squares), ("votes", golden.votes),
                         ("confident", golden.confident)):
        different |= (results[name] != values).any(1)
    for name, values in (("prediction", golden.prediction), ("reject", golden.reject),
                         ("passes", golden.passes)):
        different |= results[name] != values
    marks = results["last"]
    return different | (marks[:, -1] != 1) | marks[:, :-1].any(1)


def _compare_maps(design, network, work, images, chosen):
    """Count maps and pass sets that differ from the golden model's, or do not come.

    What comes is a list of maps per layer, each with the passes it belongs to; the golden model runs
    every pass on its own. So a map must be that of all its passes, and each pass must be in one map.
    """
    traced = {(layer, port): [] for layer in design.layers for port in ("o", "o_sets")}
    with (work / "trace.txt").open() as file:
        for line in file:
            layer, port, word = line.split()
            traced[layer, port].append(int(word, 16))
    passes = chosen.shape[1]
    golden = [forward(network, images, chosen[:, number], maps=True) for number in range(passes)]
    mask = (1 << design.passes_max) - 1
    logit_width = design.manifest["logit"]["width"]
    different = 0
    for index, (layer, shape) in enumerate(zip(design.layers, network.layers, strict=True)):
        sets, words = traced[layer, "o_sets"], traced[layer, "o"]
        hidden = index + 1 < len(network.layers)
        height, width, channels = shape.output_shape
        size = height * width if hidden else channels
        image, seen = 0, 0
        for number, word in enumerate(sets):
            passes_in, last = word & mask, word >> design.passes_max & 1
            # A map for a layer that chooses arrays names the array of all its passes.
            array = word >> design.passes_max + 1
            got = words[number * size:(number + 1) * size]
            for one in range(passes):
                if passes_in >> one & 1:
                    logits, left = golden[one]
                    if hidden:
                        expected = [sum(int(level) << at * shape.output_bits
                                        for at, level in enumerate(place))
                                    for place in left[index][image].reshape(-1, channels)]
                        if network.layers[index + 1].crossbars > 1:
                            different += array != chosen[image, one, index + 1]
                    else:
                        expected = logits[image].tolist()
                        got_logits = [unpack(value, logit_width, 1, signed=True)[0] for value in got]
                    different += (got if hidden else got_logits) != expected
            different += bool(passes_in & seen) or not passes_in
            seen |= passes_in
            if last:
                different += seen != (1 << passes) - 1
                image, seen = image + 1, 0
        different += image != len(images) or len(words) != len(sets) * size
    return int(different)


def _cycles(lines, words):
    first = [int(line.split()[1]) for line in lines if line[0] == "p"]
    ends = [int(line.split()[1]) for line in lines if line[0] == "r"][words - 1::words]
    report = {"latency_cycles": ends[0] - first[0]}
    if len(first) > 1:
        # Between first pixels, over the later half: the start-up is over.
        half = len(first) // 2
        report["interval_cycles"] = (first[-1] - first[half - 1]) / (len(first) - half)
    return report


def main(arguments=None):
    """Simulate and compare; return 0 when every bit is equal, 1 when not, 2 when it cannot be run."""
    parser = argparse.ArgumentParser(
        prog="sim.run", description="Compare emitted Verilog with the golden model.")
    parser.add_argument("directory", type=Path, help="output folder of a build")
    parser.add_argument("--images", type=int, default=100,
        help="number of images (default: %(default)s)")
    parser.add_argument("--data", type=Path,
        help="folder with MNIST (default: the 1,000 test images that come with the project)")
    parser.add_argument("--passes", type=int, help="passes T (default: those of the build)")
    parser.add_argument("--maps", action="store_true",
        help="compare every intermediate map and pass set too")
    parser.add_argument("--duty", type=float, default=1.0,
        help="probability that either end is active in a cycle (default: %(default)s)")
    parser.add_argument("--waves", action="store_true", help="leave waves in sim_waves/dump.vcd")
    args = parser.parse_args(arguments)

    try:
        if not 0 < args.duty <= 1:
            raise SimulationError(f"Duty must be above 0 and at most 1, not {args.duty}")
        images, labels = load_sample() if args.data is None else load_mnist(args.data, "test")
        if not 1 <= args.images <= len(images):
            raise SimulationError(f"Images must be from 1 to {len(images)}, not {args.images}; the "
                                  f"whole test set needs --data")
        report = simulate(
            args.directory, images[:args.images], labels[:args.images], passes=args.passes,
            maps=args.maps, waves=args.waves, duty=args.duty, steps=Steps(3))
        path = args.directory / "report" / "rtlsim_performance.json"
        temporary = path.with_suffix(".tmp")
        path.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(report, indent=1) + "\n")
        temporary.replace(path)
    except (SimulationError, DesignError, DataError, simulator.SimulatorMissing,
            RuntimeError, OSError) as error:
        print(f"sim.run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sim.run: stopped", file=sys.stderr)
        return 130
    for name, value in report.items():
        print(f"{name:28} {value:.6g}" if isinstance(value, float) else f"{name:28} {value}")
    return 0 if report["bit_exact"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
