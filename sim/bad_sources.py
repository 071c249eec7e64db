"""Faulty sources of random bits, and what an emitted design makes of them at its pins."""

import numpy as np

from gen.ir import Network
from golden.network import predict
from golden.random.bad_sources import Source
from golden.random.generator import pass_bits
from golden.random.health import alarm_bit
from sim.design import Design
from sim.verilator.simulation import Program, Simulation


__all__ = ["FEW", "PLAYED", "PLAYED_IMAGES", "check_faulty", "sources"]


def sources(network: Network) -> dict[str, Source]:
    """Faults of a source of the random bits of ``network``, by name."""
    width, third = len(network.drops), tuple(network.places(network.draws[2].name))
    return {
        "healthy": Source(),
        "stuck at 0": Source(stuck=0),
        "stuck at 1": Source(stuck=1),
        "one layer stuck at 0": Source(stuck=0, places=third),
        "one layer stuck at 1": Source(stuck=1, places=third),
        **{f"bias {bias:+.2f}": Source(bias=bias)
           for bias in (-0.4, -0.3, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.3, 0.4)},
        **{f"correlation {rho:+g} from bit to bit": Source(correlation=rho)
           for rho in (-1.0, -0.8, -0.5, -0.2, 0.2, 0.5, 0.8, 0.95)},
        **{f"correlation {rho:+g} from pass to pass": Source(correlation=rho, distance=width)
           for rho in (-1.0, -0.8, -0.5, -0.2, 0.2, 0.5, 0.8, 0.95)},
        "correlation +0.8 at a distance of 3 bits": Source(correlation=0.8, distance=3),
        "the same bits for each prediction": Source(period=20 * width),
    }


#: For SpinBayes, whose predictions take longer to compute.
FEW = ("healthy", "stuck at 0", "stuck at 1", "one layer stuck at 0", "bias -0.20", "bias -0.10",
       "bias +0.10", "bias +0.20", "correlation -1 from bit to bit", "correlation +0.2 from bit to bit",
       "correlation +0.5 from bit to bit", "correlation +0.8 from bit to bit",
       "correlation +0.8 from pass to pass")

#: Played at the pins of the emitted design.
PLAYED = ("healthy", "stuck at 0", "stuck at 1", "one layer stuck at 0", "bias -0.30", "bias +0.30",
          "correlation -1 from bit to bit", "correlation +0.8 from bit to bit",
          "correlation -0.8 from pass to pass", "correlation +0.8 from pass to pass",
          "the same bits for each prediction")

PLAYED_IMAGES = 60


def check_faulty(program: Program, design: Design, network: Network, images: np.ndarray,
                 named: dict[str, Source], passes: int, each=iter) -> dict[str, dict]:
    """Play the sources ``named`` at the pins of ``design``, whose simulator is ``program``; compare alarm
    and results with the golden model."""
    figures = {}
    generator = network.generator
    count = len(images) * generator.bits(passes)
    for number, (name, source) in enumerate(each(named.items())):
        played = source.draw(generator, count, np.random.default_rng(number))
        results, drawn = Simulation(design, images, passes, played=played).answer(program)
        expected = alarm_bit(drawn, generator, network.health)
        golden, _ = predict(network, images, pass_bits(
            generator, drawn[:count].reshape(len(images), -1), passes))
        figures[name] = {
            "bits": len(drawn),
            "alarm": results.alarm,
            "alarm_golden": expected is not None,
            "alarm_bits_golden": None if expected is None else expected + 1,
            "bits_as_played": bool((drawn[:count] == played).all()),
            "results_equal": bool((results.prediction.sums == golden.sums).all()
                                  and (results.prediction.votes == golden.votes).all()),
        }
    return figures
