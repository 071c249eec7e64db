"""What predicts: the golden model of a method of a network, or a baseline of floating point."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gen.command import UserError
from gen.ir import Network
from gen.methods import METHODS
from gen.progress import Progress
from gen.sources import Source, is_file
from gen.tools import install_hint
from golden.compiler import compiled
from golden.methods import BASELINES, shipped
from golden.random.generator import choices
from golden.tables import batches, predict


__all__ = ["PASSES_OF_METHOD", "Predictor", "checkpoint_of", "model", "predictor"]


#: A function of images, uint8 (N, H, W), and of the number of the first of them in the random stream, as
#: other images draw other random bits; it returns the probabilities of T passes, float64 (N, T, K).
Predictor = Callable[[np.ndarray, int], np.ndarray]

#: T of all methods, those of floating point too, in their papers.
PASSES_OF_METHOD = {name: method.passes for name, method in METHODS.items()} | BASELINES


def checkpoint_of(source: Source, method: str) -> Path:
    """Return where the checkpoint of a network and method is; the file may not be there."""
    return source.checkpoint(method) if is_file(source.text) else shipped(source.plain.name, method)


def predictor(source: Source, method: str, passes: int, steps: Progress) -> Predictor:
    """Return what predicts images by ``method`` of the network ``source``, in ``passes`` passes.

    Raises
    ------
    CheckpointError, CompileError
        If the method has no checkpoint, or the compiler refuses it.
    UserError
        If the method is a baseline, and there is no torch.
    """
    if method in BASELINES:
        return _baseline(source, method, passes, steps)
    return model(compiled(source.text, passes=passes, method=method or None), passes)


def model(network: Network, passes: int) -> Predictor:
    """Return what predicts images by the golden model of a compiled ``network``, in ``passes`` passes."""
    def predicted(images, first=0):
        return np.concatenate([predict(network, images[part], choices(
            network.generator, part.stop - part.start, passes, first + part.start))[1]
            for part in batches(network, len(images), passes)]) / 65536

    return predicted


def _baseline(source, method, passes, steps):
    try:
        # Not above, as all other methods need no torch.
        from golden.training.baselines import read, with_method
        from golden.training.measure import probabilities_of
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError(f"Method {method!r} needs the package torch; install it with: "
                        f"{install_hint('golden')}, or leave it out with --methods") from None
    network = read(with_method(source.plain, method), checkpoint_of(source, method), source.text)
    return lambda images, first=0: probabilities_of(network, images, passes, 1 + first, steps)
