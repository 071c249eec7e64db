"""Play a case of the regression again: ``python tests/regress/replay.py FILE``."""

import argparse
import sys
from pathlib import Path

from case import load
from play import play


def main(arguments=None):
    """Play it; return 0 if it is equal or refused, 1 if it failed, 2 if there is no such case."""
    parser = argparse.ArgumentParser(prog="replay", description="Play a case of the regression again.")
    parser.add_argument("file", type=Path, help="file that make regress has saved")
    path = parser.parse_args(arguments).file
    try:
        case = load(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"replay: File {path} holds no case ({error}); make regress writes them", file=sys.stderr)
        return 2
    outcome = play(case)
    print(f"{outcome.kind} {outcome.message}".rstrip())
    if outcome.kind == "failed":
        print(outcome.detail, file=sys.stderr)
    return int(outcome.kind == "failed")


if __name__ == "__main__":
    raise SystemExit(main())
