"""Bayesian neural networks as accelerators around spintronic crossbars, from Python::

    import spincim

    model = spincim.load("mine.npz")              # or a name, as "lenet5"; or a description, "mine.toml"
    found = model.predict(images, passes=20)      # the golden model: classes, probabilities, uncertainty
    built = model.build("build/mine", passes=20)  # Verilog and reports
    same  = built.simulate(images)                # the Verilog, each bit compared with the golden model

:func:`convert` takes a model of torch, with layers of :mod:`spincim.nn`.

As a command, ``spincim build``, ``spincim sim`` and so on, it is :mod:`spincim.__main__`.
"""

import importlib
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from gen.command import UserError
    from spincim.from_torch import convert
    from spincim.model import Accelerator, Model, Numbers, Options, Predictions, load

__all__ = ["Accelerator", "Model", "Numbers", "Options", "Predictions", "UserError", "convert", "load"]


#: Where each name is: it is imported when it is asked for, so that nobody needs a package, such as torch,
#: without making use of it. No module here may have one of these names.
_HOMES = {
    "Accelerator": "spincim.model",
    "Model":       "spincim.model",
    "Numbers":     "spincim.model",
    "Options":     "spincim.model",
    "Predictions": "spincim.model",
    "UserError":   "gen.command",
    "convert":     "spincim.from_torch",
    "load":        "spincim.model",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return [*globals(), *_HOMES]
