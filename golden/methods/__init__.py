"""The methods, one file each: how a network makes its random choices, and what training does for them."""

from pathlib import Path

from gen.checkpoint_file import SHIPPED
from gen.methods import name_of


__all__ = ["BASELINES", "FLOAT", "shipped"]


#: Methods of floating point to compare with, of which nothing is built, and T.
BASELINES = {"mc-dropout": 20, "mc-dropconnect": 20}

#: Folder of their checkpoints that come with the project.
FLOAT = Path(__file__).parents[1] / "checkpoints"


def shipped(network: str, method: str) -> Path:
    """Return where the checkpoint of ``network``, without an ending, is that comes with the project."""
    return (FLOAT if method in BASELINES else SHIPPED) / f"{name_of(network, method)}.npz"
