"""Prove what must hold of the blocks: ``python tests/formal/prove.py [block ...]``.

Each file beside this one that is named as a block of ``hdl/`` says what is proven of it. Without names
all are proven, and ``build/verification/formal.json`` is written. A proof that fails leaves a wave form,
which the command names.
"""

import argparse
import importlib
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path


# It runs without an install too.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from proof import SOLVER, interrupt

from gen.files import write_json
from gen.progress import Progress


ROOT   = Path(__file__).resolve().parents[2]
WORK   = ROOT / "build" / "formal"
REPORT = ROOT / "build" / "verification" / "formal.json"

#: Blocks with proofs: files here that have the name of one of hdl/.
BLOCKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py")
                if list((ROOT / "hdl").rglob(path.name)))

#: Why nothing is proven of the others.
WITHOUT = {
    "accelerator": "an assembly of blocks whose streams are proven; simulated as a whole",
    "array": "no streams or control: simulated",
    "register_parity": "a pass over other blocks: simulated, and judged by flipped bits",
    "parity": "no streams or control of its own: simulated, and judged by flipped bits",
    "popcount": "arithmetic without control: simulated",
    "stream": "parts of the other blocks, whose streams are proven",
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("blocks", nargs="*", metavar="block", help=f"one of {', '.join(BLOCKS)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="proofs at a time")
    parser.add_argument("--out", type=Path, help="where to write the report; build/verification/"
                        "formal.json if no block is named, else none")
    options = parser.parse_args(arguments)
    for name in options.blocks:
        if name not in BLOCKS:
            parser.error(f"Block must be one of {', '.join(BLOCKS)}, not {name!r}")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    if shutil.which(SOLVER, path=path) is None:
        parser.error(f"Program {SOLVER} is not installed; install it with: pip install -e '.[test]'")
    out = options.out or (None if options.blocks else REPORT)
    started = time.monotonic()
    results = prove(options.blocks or BLOCKS, options.jobs)
    failed  = [result for of in results.values() for result in of if result["status"] != "proven"]
    if out is not None:
        write(out, results, round(time.monotonic() - started, 1), options.blocks)
    count = sum(map(len, results.values()))
    print(f"{count - len(failed)} of {count} proven" + (f"; {out}" if out else ""))
    return 1 if failed else 0


def prove(blocks, jobs):
    """Run all proofs of ``blocks``, ``jobs`` at a time; return the results of each block."""
    todo  = [(block, number, proof) for block in blocks
             for number, proof in enumerate(importlib.import_module(block).PROOFS)]
    steps = Progress()
    steps.step(f"prove {len(todo)} properties of {len(blocks)} blocks")
    results = {}
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(proof.run, WORK / f"{block}-{number}-{proof.name}"): (block, number, proof)
                   for block, number, proof in todo}
        try:
            for future in steps.bar(as_completed(running), len(running)):
                block, number, proof = running[future]
                result = results[block, number] = {"property": proof.name, **future.result()}
                trace = f"; see {result['trace']}" if "trace" in result else ""
                print(f"{block}: {proof.name} {result['status']}, {result['seconds']} s, {proof.mode}, "
                      f"{proof.parameters}{trace}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            interrupt()
            raise
    return {block: [results[key] for key in sorted(results) if key[0] == block] for block in blocks}


def write(path, results, seconds, blocks=()):
    """Write the report, all of it or nothing. Not all proofs were made if ``blocks`` were named."""
    write_json(path, {
        "target": "formal", "seconds": seconds, "status": "run",
        "command": "make formal" + (f' ARGS="{" ".join(blocks)}"' if blocks else ""),
        "proven": sum(result["status"] == "proven" for of in results.values() for result in of),
        "properties": sum(map(len, results.values())),
        "without": WITHOUT,
        "blocks": results,
    })


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing was written")
