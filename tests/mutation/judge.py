"""The score of a block, and what is known of mutants that nothing catches."""

import json
from pathlib import Path


__all__ = ["judge", "reasons"]


ROOT = Path(__file__).resolve().parents[2]


def reasons(block: str) -> list[dict]:
    """Return why survivors of ``block`` that are not proven equal do no harm, from ``harmless.json``.

    Each entry has a part of the source ``line``, or of its file and number, ``ports`` of the cell and the
    ``reason``; where it does not hold for all of these, also ``bits`` of the port, ``modes`` of the
    mutant, and in ``tests`` how the name of the first test of the design begins.
    """
    path = Path(__file__).with_name("harmless.json")
    return json.loads(path.read_text()).get(block, [])


def judge(result: dict, reasons: list[dict]) -> dict:
    """Return the ``result`` of a block with its score, and the reason of each survivor that ``reasons``
    explain.

    A reason counts only where nothing is proven and no difference is seen at a port.
    """
    survivors = []
    for survivor in result["survivors"]:
        reason = _reason(reasons, survivor) if survivor["outcome"] == "unknown" else None
        survivors.append({**survivor, "reason": reason} if reason else survivor)
    explained = sum(new is not old for new, old in zip(survivors, result["survivors"], strict=True))
    judged = result["mutants"] - result["proven_unseen"] - explained
    return {**result, "survivors": survivors, "explained": explained,
            "score": round(result["caught"] / judged, 4) if judged else None}


def _reason(reasons, survivor):
    lines = list(survivor["src"])
    for place in survivor["src"]:
        file, _, number = place.partition(":")
        if file.startswith("/hdl/"):
            lines.append((ROOT / file[1:]).read_text().splitlines()[int(number) - 1])
    for part in reasons:
        if (any(part["line"] in line for line in lines) and survivor["port"] in part["ports"]
                and survivor["bit"] in part.get("bits", [survivor["bit"]])
                and survivor["mode"] in part.get("modes", [survivor["mode"]])
                and survivor["design"].startswith(part.get("tests", ""))):
            return part["reason"]
    return None
