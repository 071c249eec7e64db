"""The figures of the papers that this project touches: a report of a build, and a page.

They, and ours beside them, are in ``paper_claims.toml``.
"""

import functools
import textwrap
import tomllib
from pathlib import Path

from gen.energy.readings import READINGS, STATED, compared
from gen.ir import Network
from gen.methods import base_of
from gen.networks import NETWORKS
from gen.structure import plain


__all__ = ["VERDICTS", "page", "paper_claims"]


#: What can be said of a figure.
VERDICTS = ("reproduced", "not reproduced", "cannot be checked here")

_TOPICS = {"accuracy": "Accuracy", "detection": "Detection of other data", "passes": "Passes",
           "robustness": "Robustness", "random bits": "Random bits", "crossbars": "Crossbars",
           "energy": "Energy", "junction": "Junction"}


@functools.cache
def _file() -> dict:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text())


def paper_claims(network: Network, reports: dict) -> dict:
    """Return what papers state of the layers and the method of ``network``, beside what its ``reports``
    say, for ``report/paper_claims.json``; and the contradictions between papers."""
    claims = [claim for claim in _file()["claim"]
              if (claim.get("base"), claim.get("method")) == (base_of(network), network.method)
              and plain(network) == plain(NETWORKS[claim["base"]])] # not another one of this name
    return {
        "source": "quoted",
        "status": "run",
        "network": network.name,
        "claims": [{name: value for name, value in claim.items() if name not in ("base", "method", "read")}
                   | {"here": _found(reports, claim["read"]), "here_of": ".".join(claim["read"])}
                   for claim in claims],
        "contradictions": _file()["contradiction"],
    }


def _found(value, keys):
    """What stands in reports under ``keys``; those of lists, and numbers of passes, are numbers there. None
    if nothing does."""
    try:
        for key in keys:
            value = value[int(key) if isinstance(value, list) or key not in value else key]
    except (IndexError, KeyError, ValueError):
        return None
    return value


def page() -> str:
    """Return the page ``docs/claims.md``."""
    lines = [
        "# Claims of the papers", "",
        *_wrapped("What the papers state, as far as this project touches it, and what it has found with "
                  "the command beside it. Each figure of ours stands in [results](results.md) or in "
                  "[methods](methods.md), or the command prints it; `DIR` is the folder with the data "
                  "sets. This page is written by `python -m gen.claims`; do not edit it."), "",
    ]
    verdicts = [claim["verdict"] for claim in _file()["claim"]]
    found, other, unknown = (verdicts.count(verdict) for verdict in VERDICTS)
    lines += [*_wrapped(
        f"Of {len(verdicts)} figures {found} were reproduced, {other} were not, and {unknown} cannot be "
        "checked here: they depend on what a paper does not state, or on what was not measured."), ""]
    for topic, title in _TOPICS.items():
        lines += [f"## {title}", "", "| figure | source | theirs | ours | |", "|---|---|---|---|---|"]
        claims = [claim for claim in _file()["claim"] if claim["topic"] == topic]
        lines += [f"| {claim['what']} | {claim['source']} | {claim['theirs']} | {claim['ours']} | "
                  f"{claim['verdict']} |" for claim in claims]
        lines += [""]
        for claim in claims:
            lines += _wrapped(f"- {claim['what']}: `{claim['command']}`; {claim['conditions']}.", "  ")
        lines += [""]
    return "\n".join([*lines, *_readings(), *_contradictions()])


def _readings():
    lines = ["## Readings of an operation", "", *_wrapped(
        "Scale-Dropout, Table II, has energies of circuits \"for one reading operation\", and no number of "
        f"operations. These are all {len(READINGS)} readings that were tried, for the networks of the "
        "papers at T = 10, one pass after another, with arrays of 256 by 256 cells that are read at once "
        "(`gen/energy/readings.py`). In bold is the closest to what is stated. Among so many readings some "
        "come close by chance, so this says what would fit, not what was done."), ""]
    found = [compared(stated) for stated in STATED]
    lines += ["| | " + " | ".join(f"`{each['network']}`, {each['method']}" for each in found) + " |",
              "|---|" + "---|" * len(found),
              "| stated, uJ | " + " | ".join(
                  f"{each['stated_j_per_image'] * 1e6:.2f}" for each in found) + " |"]
    for reading in READINGS:
        cells = []
        for each in found:
            text = f"{each['readings'][reading.name]['energy_j_per_image'] * 1e6:.3g}"
            cells.append(f"**{text}**" if each["closest"] == reading.name else text)
        lines.append(f"| {reading.name} | " + " | ".join(cells) + " |")
    lines.append("")
    for reading in READINGS:
        lines += _wrapped(f"- **{reading.name}**: {reading.text}. Of a pass: `{reading.formula}`.", "  ")
    return [*lines, "", *_wrapped(
        "In the formulas x, m, a, c, v and r are the energies of crossbar, memory, adder-accumulator, "
        "comparator, averaging block and random source. Of a layer P are the kernel positions, C the "
        "outputs, A the reads of arrays, N the codes of all columns in them, and D the random sources; K "
        "are the classes and L the layers. Our own figures take none of these: [energy](energy.md) says "
        "which, and why."), ""]


def _contradictions():
    lines = ["## Contradictions", ""]
    for each in _file()["contradiction"]:
        lines += _wrapped(f"- **{each['about']}**: {each['text']}", "  ")
    return [*lines, ""]


def _wrapped(text, indent=""):
    return textwrap.wrap(" ".join(text.split()), 110, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)
