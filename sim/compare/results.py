"""What the harness writes of a run, and whether it is what the golden model says."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from golden.head import Prediction
from sim.compare.packing import bits, integers
from sim.design import Design


__all__ = ["Results", "compare", "read"]


@dataclass(frozen=True, slots=True)
class Results:
    """What a design has answered to N images sent back to back, and when."""

    prediction: Prediction #: As the words say; its ``passes`` are int64 (N,).
    whole: np.ndarray      #: bool (N,), whether the words of each answer agree on what is
                           #: the same in all of them.
    marks: np.ndarray      #: bool (N, words of a result), field ``last`` of each word.
    errors: np.ndarray     #: bool, likewise, field ``error``: a check of the hardware has failed.
    alarm: bool            #: Whether a health test of the random bits has failed.
    begins: np.ndarray     #: int64 (N,), cycles in which the first pixels were taken.
    ends: np.ndarray       #: int64 (N,), cycles in which the last words were given.

    @property
    def record(self) -> dict[str, np.ndarray]:
        """The answers by the names of the fields of the result record: int64 (N, K), or (N,) of those that
        are the same for all classes; of positions (N, H, W, K) and (N, H, W)."""
        answered = self.prediction
        return {"sum": answered.sums, "square": answered.squares, "votes": answered.votes,
                "confident": answered.confident, "prediction": answered.prediction,
                "reject": answered.reject, "passes": answered.passes}


def read(path: Path, design: Design) -> Results | int:
    """Return what a run of ``design`` has written to ``path``, or the cycle in which it was given up."""
    lines = np.array(path.read_bytes().split()).reshape(-1, 3)
    pixels, words, alarm, hang = (lines[lines[:, 0] == kind] for kind in (b"p", b"r", b"a", b"h"))
    if len(hang):
        return int(hang[0, 1])
    word = bits(words[:, 2], design.payload("results")["width"])
    # Those of an image side by side, and those of each of its answers.
    values  = {field["name"]: integers(word[:, field["offset"]:field["offset"] + field["width"]])
               .reshape(-1, design.words) for field in design.results}
    answers = {name: found.reshape(-1, *design.answer_shape, design.classes)
               for name, found in values.items()}
    same    = [(answers[name] == answers[name][..., -1:]).reshape(len(word) // design.words, -1).all(1)
               for name in ("prediction", "reject")]
    same.append((values["passes"] == values["passes"][:, -1:]).all(1))
    return Results(
        Prediction(passes=values["passes"][:, -1], sums=answers["sum"], squares=answers["square"],
                   votes=answers["votes"], confident=answers["confident"],
                   prediction=answers["prediction"][..., -1], reject=answers["reject"][..., -1] == 1,
                   unit=design.unit, zero=design.zero),
        whole=np.logical_and.reduce(same),
        marks=values["last"] == 1,
        errors=values["error"] == 1,
        alarm=bool(int(alarm[0, 2])),
        begins=pixels[:, 1].astype(np.int64),
        ends=words[design.words - 1::design.words, 1].astype(np.int64))


def compare(golden: Prediction, results: Results) -> np.ndarray:
    """Return whether each image differs in anything from what the golden model says, bool (N,). The golden
    model has no field ``error``: it must be 0, but for results after an alarm."""
    different = results.marks[:, :-1].any(1) | ~results.marks[:, -1] | ~results.whole
    if not results.alarm:
        different |= results.errors.any(1)
    for field in fields(Prediction):
        unequal = np.asarray(getattr(results.prediction, field.name) != getattr(golden, field.name))
        different |= unequal.reshape(len(different), -1).any(1) if unequal.ndim else unequal
    return different
