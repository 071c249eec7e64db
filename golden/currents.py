"""Choose the SET current of every layer: ``python -m golden.currents lenet5 --json FILE``."""

import sys
from pathlib import Path

from gen.ir import Network
from gen.networks import NETWORKS
from golden.arguments import Parser
from golden.device import Dac
from golden.evaluate import CompileError, compiled
from golden.output import refuse_overlap, refuse_unwritable, write_json


__all__ = ["currents"]


def currents(network: Network, dac: Dac = Dac()) -> dict:
    """Return the code of each layer's SET current, with what it does, for a nominal junction.

    ``currents`` are the codes that ``gen.build --mtj-currents`` takes; ``current_ua`` is the current
    of each, ``dropout`` the probability asked for and ``switching_probability`` what the code gives
    (Scale-Dropout, eq. 25).
    """
    asked = [layer.dropout for layer in network.layers]
    codes = [dac.write_code(p) for p in asked]
    return {
        "source": "estimate",
        "network": network.name,
        "bits": dac.bits,
        "currents": codes,
        "current_ua": [float(dac.current(code)) for code in codes],
        "dropout": asked,
        "switching_probability": [float(dac.probability(code)) for code in codes],
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the codes; return 0, or 2 after one line that names a fault and the way out."""
    parser = Parser(prog="golden.currents", description="Choose the SET current of every layer.")
    parser.add_argument("network", choices=NETWORKS, metavar="NETWORK",
                        help="network whose dropout probabilities are meant: %(choices)s")
    parser.add_argument("--checkpoint", type=Path,
                        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--bits", type=int, default=Dac().bits,
                        help="bits of a code, those of gen.build --mtj-bits (default: %(default)s)")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="file to write")
    args = parser.parse_args(arguments)
    if not 2 <= args.bits <= 16:
        parser.error(f"--bits must be from 2 to 16, not {args.bits}")
    try:
        refuse_overlap([args.json], [args.checkpoint])
        refuse_unwritable(args.json)
        report = currents(compiled(args.network, args.checkpoint, passes=1, seed=1), Dac(bits=args.bits))
        write_json(args.json, report)
    except CompileError as error:
        print(f"golden.currents: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"golden.currents: File {args.json} cannot be written ({error.strerror}); choose another "
              f"with --json", file=sys.stderr)
        return 2
    for layer, code, p in zip(report["dropout"], report["currents"],
                              report["switching_probability"], strict=True):
        print(f"p {layer:.3f}  code {code:3}  switches with {p:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
