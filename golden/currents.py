"""Choose the SET current of every random bit: ``python -m golden.currents lenet5 --json FILE``."""

from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, command
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.ir import Network
from gen.methods import known_names
from gen.networks import NETWORKS
from golden.compiler import compiled
from golden.device.junction import Dac


__all__ = ["currents"]


def currents(network: Network, dac: Dac = Dac()) -> dict:
    """Return the SET current code of each random bit of a pass, with its effect on a nominal junction.

    ``currents`` are the codes that ``gen.build --mtj-currents`` takes; ``current_ua`` is the current
    of each, ``dropout`` the probability asked for and ``switching_probability`` what the code gives
    (Scale-Dropout, eq. 25).
    """
    dropout = list(network.drops)
    codes = [dac.write_code(p) for p in dropout]
    return {
        "source": "estimate",
        "network": network.name,
        "bits": dac.bits,
        "currents": codes,
        "current_ua": [float(dac.current(code)) for code in codes],
        "dropout": dropout,
        "switching_probability": [float(dac.probability(code)) for code in codes],
    }


@command("golden.currents")
def main(arguments=None):
    """Write the codes, and print them."""
    parser = Parser(prog="golden.currents", description="Choose the SET current of every random bit.")
    parser.add_argument("network", choices=known_names(), metavar="NETWORK",
                        help=f"network whose dropout probabilities are meant: {', '.join(NETWORKS)}, or "
                             "one of these with the ending of a method")
    parser.add_argument("--checkpoint", type=Path,
                        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--bits", type=int, default=Dac().bits,
                        help="bits of a code, those of gen.build --mtj-bits (default: %(default)s)")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    args = parser.parse_args(arguments)
    if not 2 <= args.bits <= 16:
        parser.error(f"--bits must be from 2 to 16, not {args.bits}")
    refuse_overlap([args.json], [args.checkpoint])
    refuse_unwritable(args.json)
    report = currents(compiled(args.network, args.checkpoint, passes=1, seed=1), Dac(bits=args.bits))
    write_json(args.json, report)
    print(tabulate({name: report[key] for name, key in (
        ("dropout", "dropout"), ("code", "currents"), ("current in uA", "current_ua"),
        ("switching probability", "switching_probability"))}, headers="keys", floatfmt=".3f"))


if __name__ == "__main__":
    raise SystemExit(main())
