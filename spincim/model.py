"""Networks with their parameters, and the accelerators that are built of them."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np

from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.checkpoint_file import Parameters, write_file
from gen.compile import compile_network
from gen.ir import Network, Target
from gen.options import BuildError, chosen_target, random_in, stored
from golden import metrics, tables
from golden.answers import Answers, answer
from golden.data import DataError
from golden.images import check_pixels
from sim.bit_exact import simulate_answers
from sim.design import Design
from sim.processes import cores


__all__ = ["Accelerator", "Model", "Numbers", "Options", "Predictions", "load"]


class Options(TypedDict, total=False):
    """Options of a build: the fields of :class:`gen.ir.Target`, each as it is there; ``synth``; ``energy``,
    the name or file of a table of energies (:mod:`gen.energy.table`); ``liberty``, a file of standard
    cells; and ``memory_cells``, whether memories become cells of it."""

    array_rows: int
    array_columns: int
    mapping: Literal["column", "position"]
    passes: int
    passes_max: int
    schedule: Literal["shared", "sequential"]
    masks: Literal["random", "balanced", "orthogonal", "all"]
    rng: Literal["emulated", "mtj"]
    sources: Literal["model", "layer"]
    view: Literal["emulated", "macro"]
    cells_per_read: int
    interval: int | None
    adcs: int | None
    luts: int | None
    fps: int | None
    clock_mhz: float
    set_ns: float
    read_ns: float
    reset_ns: float
    array_ns: float
    mtj_bits: int
    mtj_currents: tuple[int, ...]
    mtj_reset_current: int | None
    seed: int
    protect: bool
    instances: int
    bus: Literal["streams", "axi", "uart"]
    bus_width: Literal[8, 16, 32, 64]
    baud: int
    board: Literal["none", "ulx3s_85f", "ecpix5_85f", "orangecrab_85f", "icebreaker", "arty_a7_100"]
    synth: Literal["ecp5", "ice40", "gowin"] | None
    energy: str | None
    liberty: str | None
    memory_cells: bool


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a network answers to N images in K classes, over all passes of each. Where each of H x W
    positions of an image has an answer of its own, as in a segmentation, (N, H, W) stands in place of (N,),
    but in ``bit_exact``."""

    classes: np.ndarray            #: int64 (N,), class of the largest mean probability.
    probabilities: np.ndarray      #: float64 (N, K), mean over the passes.
    variance: np.ndarray           #: float64 (N, K), of the probabilities over the passes.
    entropy: np.ndarray            #: float64 (N,), of the mean probabilities: all uncertainty, in nats.
    mutual_information: np.ndarray #: float64 (N,), how far the passes disagree, in nats; of a simulation,
                                   #: NaN where a bit differs from the golden model.
    rejected: np.ndarray           #: bool (N,), out of distribution by the quantile test.
    bit_exact: np.ndarray | None = None #: bool (N,), of a simulation: whether every bit equals the golden
                                   #: model.


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What a regression answers to N images with K numbers each, over all passes of each; of positions
    (N, H, W, K)."""

    mean: np.ndarray               #: float64 (N, K), over the passes.
    variance: np.ndarray           #: float64 (N, K), of the numbers over the passes.
    bit_exact: np.ndarray | None = None #: bool (N,), as of :class:`Predictions`.


def _predictions(answers: Answers) -> Predictions | Numbers:
    found = answers.prediction
    if found.regression:
        return Numbers(found.mean, found.variance, answers.exact)
    return Predictions(found.prediction, found.mean, found.variance, metrics.predictive_entropy(found.mean),
                       answers.information, found.reject, answers.exact)


def load(source: str | Path, *, method: str | None = None, checkpoint: str | Path | None = None,
         crossbars: int | None = None, ways: int = 1, ways_of: Literal["ring", "any"] = "ring",
         masked: Sequence[str] | None = None, random_layers: Sequence[str] | None = None,
         p: float | None = None, random: int | None = None) -> "Model":
    """Return the network that ``source`` names, with its parameters.

    Parameters
    ----------
    source : str or Path
        Name of a network of the project; or a file: ``.npz``, a checkpoint that holds its network,
        ``.onnx``, a trained network of QONNX, or ``.toml``, which describes one (:mod:`gen.sources`).
    method : str, optional
        Another method than that of the name or of the description (:mod:`gen.methods`).
    checkpoint : str or Path, optional
        Its parameters; those that come with the project, or with the file, unless given.
    crossbars, ways : int
        Arrays or banks that each layer chooses from, and arrays that a sum adds up.
    ways_of : str
        Which sets of so many arrays a pass chooses from: consecutive ones, or any (SpinBayes, eq. 4).
    masked : sequence of str, optional
        Layers whose inputs are masked; by the method unless given.
    random_layers : sequence of str, optional
        Layers that choose; in all others what was trained is kept (``python -m golden.random_layers`` finds
        the best). All unless given.
    p : float, optional
        Dropout probability of all layers; as trained unless given.
    random : int, optional
        Take random parameters instead, those of this seed: for cycles and area before any training.

    Raises
    ------
    UserError
        If there is no such network, or a file cannot be used; the message is one line with the way out.
    """
    model = Model(*stored({
        "network": str(source), "method": method, "crossbars": crossbars, "ways": ways, "ways_of": ways_of,
        "p": p, "checkpoint": None if checkpoint is None else str(checkpoint), "random": random,
        **({} if masked is None else {"masked": ",".join(masked)})}), random_layers)
    if random_layers is not None:
        _ = model.network # layers that cannot be random are refused here, not at the first use
    return model


class Model:
    """A network with its parameters, which do not change.

    Parameters
    ----------
    structure : :class:`gen.ir.Network`
        The network without parameters.
    parameters : list of :class:`gen.checkpoint_file.Parameters`
        Those of each layer.
    random_layers : sequence of str, optional
        Layers that choose; all unless given.
    """

    def __init__(self, structure: Network, parameters: list[Parameters],
                 random_layers: Sequence[str] | None = None):
        self.structure     = structure
        self.parameters    = parameters
        self.random_layers = random_layers

    def __repr__(self):
        layers = ", ".join(layer.name for layer in self.structure.layers)
        return f"<Model {self.structure.name}: {layers}>"

    @cached_property
    def network(self) -> Network:
        """The network with its parameters, as the compiler takes it."""
        network = with_parameters(self.structure, self.parameters)
        return network if self.random_layers is None else random_in(network, self.random_layers)

    def predict(self, images: np.ndarray, passes: int = 20, *, seed: int = 1) -> Predictions | Numbers:
        """Return what the golden model answers, to which the hardware is equal in every bit.

        Parameters
        ----------
        images : uint8 array (N, H, W), of colours (N, H, W, 3)
        passes : int
            Stochastic forward passes T of each image.
        seed : int
            Start of the pseudo-random stream, as of a build.

        Raises
        ------
        UserError
            If the images are not for this network, or there can be no such passes.
        """
        images = _checked(images, self.structure)
        target = chosen_target({"passes": passes, "seed": seed}, self.network)
        return _predictions(answer(compile_network(self.network, target), images, passes, golden=tables))

    def save(self, path: str | Path):
        """Write network and parameters to ``path``, a checkpoint that :func:`load` and every command take;
        whole or not at all.

        Raises
        ------
        UserError
            If ``path`` cannot be written; or if only some layers are random, which no checkpoint says.
        """
        if self.random_layers is not None:
            raise BuildError("A checkpoint does not say which layers are random; load without "
                             "random_layers, save that, and name them again when it is loaded")
        write_file(Path(path), self.structure, self.parameters)

    def build(self, folder: str | Path, **options: Unpack[Options]) -> "Accelerator":
        """Write Verilog and reports to ``folder``, as ``python -m gen.build`` does.

        Raises
        ------
        TypeError
            If there is no such option.
        UserError
            If it cannot be built, or the folder cannot be written.
        """
        beside = {name: options.pop(name, None) for name in ("synth", "energy", "liberty", "memory_cells")}
        known = [field.name for field in fields(Target)]
        for name in options:
            if name not in known:
                raise TypeError(f"build() has no option {name!r}; options are: "
                                f"{', '.join((*known, *beside))}")
        target = chosen_target(options, self.network)
        return Accelerator(folder, build_network(self.network, target, Path(folder), **beside))

    def simulate(self, images: np.ndarray, passes: int = 20,
                 **options: Unpack[Options]) -> Predictions | Numbers:
        """Return what the Verilog answers, built in a temporary folder, as :meth:`build` and
        :meth:`Accelerator.simulate` do; for more than one call, use these.

        Raises as these.
        """
        _checked(images, self.structure)
        with tempfile.TemporaryDirectory() as folder:
            return self.build(folder, passes=passes, **options).simulate(images)


class Accelerator:
    """What was built in a folder.

    Parameters
    ----------
    folder : str or Path
        Output of a build.
    reports : dict, optional
        Contents of its folder ``report``, by the names of the files.
    """

    def __init__(self, folder: str | Path, reports: dict[str, dict] | None = None):
        self.folder  = Path(folder)
        self.reports = reports

    def __repr__(self):
        return f"<Accelerator {self.folder}>"

    def simulate(self, images: np.ndarray, passes: int | None = None) -> Predictions | Numbers:
        """Return what the Verilog answers, each bit compared with the golden model, as ``python -m
        sim.run`` does. The first call compiles a simulator, for half a minute or more.

        Parameters
        ----------
        images : uint8 array (N, H, W), of colours (N, H, W, 3)
        passes : int, optional
            T; that of the build unless given.

        Raises
        ------
        UserError
            If the folder holds no build of this version, the images are not for it, or it cannot be
            simulated.
        """
        images = _checked(images, Design(self.folder).network)
        _, answers = simulate_answers(self.folder, images, passes=passes, jobs=cores())
        return _predictions(answers)


def _checked(images, network):
    images = np.asarray(images)
    if images.size == 0:
        raise DataError("There must be at least one image, uint8 "
                        f"(N, {', '.join(map(str, network.input.shape))}), not {images.shape}")
    check_pixels(images, "the array", network.input.shape)
    return images
