"""Choose the write currents of junctions: ``python -m golden.currents lenet5 --json FILE``."""

import math
from dataclasses import fields
from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, UserError, command, whole
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.ir import Network, Target
from gen.methods import WAYS_OF
from gen.sources import HELP, source_argument
from golden.compiler import compiled
from golden.device.junction import Dac, write_codes


__all__ = ["currents"]


#: What the codes depend on of a target, beside the network.
_TARGET = "clock_mhz", "set_ns", "reset_ns"

#: How passes choose by random bits.
MASKS = "random", "balanced", "orthogonal"

#: Largest chance that a RESET fails, of one that counts as certain.
FAILS = 1e-6


def currents(network: Network, target: Target = Target()) -> dict:
    """Return the SET current code of each random bit of a pass, or of the shifts of points, and the RESET
    current code, with their effect on a nominal junction.

    ``currents`` and ``reset_current`` are the codes that ``gen.build --mtj-currents`` takes;
    ``current_ua`` is the current of each bit, ``dropout`` the probability asked for and
    ``switching_probability`` what the code gives (Scale-Dropout, eq. 25), with pulses of ``set_pulse_ns``
    and ``reset_pulse_ns``, whole cycles.

    Raises
    ------
    UserError
        If no bit is drawn, or if even the best code fails to RESET a junction more often than
        :data:`FAILS`.
    """
    if not network.drawn:
        raise UserError(f"Network {network.name!r} draws no random bits, so there are no junctions; name "
                        "one of another method")
    dac   = Dac(target.mtj_bits)
    codes = write_codes(network.drawn, target, dac)
    set_ns, reset_ns = map(target.lasts_ns, (target.set_ns, target.reset_ns))
    currents, reset  = codes["mtj_currents"], codes["mtj_reset_current"]
    certain = float(dac.probability(reset, pulse_ns=reset_ns))
    if certain < 1 - FAILS:
        raise UserError(f"A RESET of {reset_ns:g} ns, with a probability of {certain:.6f}, is not certain "
                        "for any current; make it longer, here and in the build, with --reset-ns")
    return {
        "source": "estimate",
        "network": network.name,
        "mtj_bits": dac.bits,
        **{name: getattr(target, name) for name in _TARGET},
        "set_pulse_ns": set_ns,
        "reset_pulse_ns": reset_ns,
        "currents": list(currents),
        "current_ua": [float(dac.current(code)) for code in currents],
        "dropout": list(network.drawn),
        "switching_probability": [float(dac.probability(code, pulse_ns=set_ns)) for code in currents],
        "reset_current": reset,
        "reset_current_ua": float(dac.current(reset)),
        "reset_probability": certain,
    }


@command("golden.currents")
def main(arguments=None):
    """Write the codes, and print them."""
    parser = Parser(prog="golden.currents", description="Choose the write currents of junctions: of SET "
                    "for every random bit, and of RESET.")
    parser.add_argument("source", type=source_argument, metavar="NETWORK",
                        help=f"network whose dropout probabilities are meant: {HELP}")
    parser.add_argument("--checkpoint", type=Path,
                        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--crossbars", type=whole(2), metavar="N",
                        help="arrays or banks that each layer chooses from, as of gen.build")
    parser.add_argument("--ways", type=int, default=1, metavar="n",
                        help="arrays whose mean a pass takes, as of gen.build")
    parser.add_argument("--ways-of", choices=WAYS_OF, default="ring",
                        help="sets of so many arrays that a pass chooses from, as of gen.build")
    parser.add_argument("--masked", metavar="LAYERS",
                        help="layers whose inputs are dropped, as of gen.build")
    parser.add_argument("--random-layers", metavar="LAYERS",
                        help="layers that choose at random, as of gen.build")
    parser.add_argument("--p", type=float, metavar="P",
                        help="dropout probability of all layers, as of gen.build")
    parser.add_argument("--masks", choices=MASKS, default=MASKS[0],
                        help="how passes choose, as of gen.build (default: %(default)s)")
    parser.add_argument("--passes", type=whole(1), default=1, metavar="N",
                        help="passes that go through points, as of gen.build (default: %(default)s)")
    parser.add_argument("--mtj-bits", type=int, default=Dac().bits, metavar="N",
                        help="bits of a code, as of gen.build (default: %(default)s)")
    texts = {field.name: field.metadata["help"] for field in fields(Target)}
    for name in _TARGET:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Target(), name),
                            metavar="X", help=f"{texts[name]}, as of gen.build (default: %(default)s)")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    args = parser.parse_args(arguments)
    if not 2 <= args.mtj_bits <= 16:
        parser.error(f"--mtj-bits must be from 2 to 16, not {args.mtj_bits}")
    for name in _TARGET:
        if not 0 < getattr(args, name) < math.inf:
            parser.error(f"--{name.replace('_', '-')} must be above 0, not {getattr(args, name)}")
    refuse_overlap([args.json], [args.checkpoint])
    refuse_unwritable(args.json)
    times  = {name: getattr(args, name) for name in _TARGET} # the compiler refuses what no build has
    report = currents(compiled(args.source.text, args.checkpoint, passes=args.passes, seed=1,
                               crossbars=args.crossbars, ways=args.ways, ways_of=args.ways_of,
                               masked=args.masked, p=args.p, masks=args.masks,
                               random_layers=args.random_layers, **times),
                      Target(mtj_bits=args.mtj_bits, **times))
    write_json(args.json, report)
    print(f"SET pulses of {report['set_pulse_ns']:g} ns, RESET pulses of {report['reset_pulse_ns']:g} ns")
    print(tabulate({name: report[key] + [last] for name, key, last in (
        ("dropout", "dropout", "RESET"), ("code", "currents", report["reset_current"]),
        ("current in uA", "current_ua", report["reset_current_ua"]),
        ("switching probability", "switching_probability", report["reset_probability"]))},
        headers="keys", floatfmt=".3f"))


if __name__ == "__main__":
    raise SystemExit(main())
