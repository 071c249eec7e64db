"""Write docs/claims.md: ``python -m gen.claims``."""

from pathlib import Path

from gen.command import Parser, command
from gen.files import replacing
from gen.paper_claims import page


@command("gen.claims")
def main(arguments=None):
    """Write the page."""
    parser = Parser(prog="gen.claims", description="Write the page of the claims of the papers.")
    parser.add_argument("--out", type=Path, default=Path("docs/claims.md"), metavar="FILE",
                        help="file to write (default: %(default)s)")
    path = parser.parse_args(arguments).out
    with replacing(path) as file:
        file.write(page().encode())
    print(path)


if __name__ == "__main__":
    raise SystemExit(main())
