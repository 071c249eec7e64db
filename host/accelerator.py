"""An accelerator on a board, at a serial line, or on AXI beside a processor."""

import io
import json
import math
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import numpy as np

from gen.progress import Progress
from gen.split_mix import seeds_of
from golden.head import Prediction
from golden.metrics import approximate_mutual_information, predictive_entropy
from host.axi_link import AxiLink
from host.devices import Memory, Overlay
from host.link import Link, LinkError, NoAnswer
from host.serial_port import HostError, SerialPort
from host.settings import reseeding, threshold


__all__ = ["Accelerator", "HostError", "MOST_HITS", "Numbers", "Predictions", "passes_of"]


#: What the first register says.
IDENTITY = int.from_bytes(b"SPIN", "big")

#: Largest share of bytes that may be hit: of more, frames that arrive whole are too few.
MOST_HITS = 0.02

#: Seconds that the first answer may take: of a board, and of one that is simulated.
_BOARD_S, _VIRTUAL_S = 0.25, 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What an accelerator answers to N images in K classes, over all passes of each. Where each of H x W
    positions of an image has an answer of its own, (N, H, W) stands in place of (N,)."""

    classes: np.ndarray            #: int64 (N,), class of the largest mean probability.
    probabilities: np.ndarray      #: float64 (N, K), mean over the passes.
    variance: np.ndarray           #: float64 (N, K), of the probabilities over the passes.
    entropy: np.ndarray            #: float64 (N,), of the mean probabilities: all uncertainty, in nats.
    #: float64 (N,), how far the passes disagree, in nats: the mutual information to second order, as no
    #: result has the entropy of each pass.
    approximate_mutual_information: np.ndarray
    rejected: np.ndarray           #: bool (N,), out of distribution by the quantile test.
    record: np.ndarray             #: (N, K) with the fields of the result record, all bits of the answer.


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What an accelerator of a regression answers to N images with K numbers each, over all passes of each;
    of positions (N, H, W, K)."""

    mean: np.ndarray               #: float64 (N, K), over the passes.
    variance: np.ndarray           #: float64 (N, K), of the numbers over the passes.
    record: np.ndarray             #: (N, K), as of :class:`Predictions`.


class Accelerator:
    """An accelerator that is ready; :meth:`open` finds it. It is closed at the end of a block of ``with``.

    Attributes
    ----------
    images : int
        Images since the reset or the seed, and so the number of the next one in the random stream.
    clock_hz, baud : int
        Frequency of its clock, and bits per second of the line; None without a line.
    """

    def __init__(self, link, manifest: dict, *, place: str, load: str, baud: int | None = None):
        self._place    = place
        self._load     = load # what is to be loaded into the board
        self._manifest = manifest
        bus = manifest["bus"]
        self.clock_hz, self.baud = bus.get("clock_hz"), baud
        self._registers = {register["name"]: register for register in bus["registers"]}
        self._flags  = {name: bit for bit, name in enumerate(bus["flags"])}
        self._record = np.dtype([(field["name"], f"<u{field['width'] // 8}") for field in bus["record"]])
        # Of the records of an image.
        self._shape  = _shape(manifest)
        self._link   = link
        self._stack  = ExitStack() # what ends with this
        self._whole  = True # nothing is half done
        self._closed = False
        self._set    = {}   # seed and thresholds, if they are not those of the build
        self.images  = 0

    @classmethod
    def open(cls, directory: Path | str, port: str | Memory | Overlay | None = None, *,
             baud: int | None = None, hits: float = 0.0, seed: int = 1, steps=None) -> "Accelerator":
        """Open the accelerator of the build in ``directory``, reset it, and see that it is of that build.

        Parameters
        ----------
        directory : Path or str
            Output of a build with ``--board`` or ``--bus uart``; or, for the last two ports, ``--bus axi``.
        port : str or host.devices.Memory or host.devices.Overlay, optional
            Serial port of the board, or where registers and DMA engine are. Unless given, the board is
            simulated.
        baud : int, optional
            Bits per second of the serial port; those of the build unless given.
        hits, seed : float, int
            Of a simulated board: the share of the bytes of the line, either way, that are lost, doubled or
            changed; and what they follow from.
        steps : gen.progress.Progress, optional
            Where to report that a simulator is made.

        Raises
        ------
        HostError
            If there is no board, or another one, no such share can be hit, or there is no serial port of
            that baud rate.
        """
        if not 0 <= hits <= MOST_HITS:
            raise HostError(f"Hits must be from 0 to {MOST_HITS}, not {hits!r}")
        if baud is not None and not isinstance(port, str):
            raise HostError("A baud rate is for a serial port; a simulated line has that of the build, and "
                            "AXI has none")
        directory, axi = Path(directory), isinstance(port, Memory | Overlay)
        manifest = _manifest(directory, axi)
        with ExitStack() as stack:
            if axi:
                place, load = str(port), "its bitstream"
                link = _axi_link(port, manifest, stack)
            else:
                place, load, first_s = f"port {port}", "board/top.bit", _BOARD_S
                if port is None:
                    # What simulates is needed only here.
                    from sim.verilator.virtual_board import virtual_board
                    port = stack.enter_context(virtual_board(
                        directory, hits=hits, seed=seed, steps=steps or Progress(io.StringIO())))
                    place, first_s = "the simulated board", _VIRTUAL_S
                baud = baud or manifest["bus"]["baud"]
                line = SerialPort(port, baud)
                stack.callback(line.close)
                link = Link(line, manifest["bus"]["pixel_bytes"], first_s)
            accelerator = cls(link, manifest, place=place, load=load, baud=baud)
            accelerator._begin()
            accelerator._stack = stack.pop_all()
        return accelerator

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the port, and end the simulation."""
        self._closed = True
        self._stack.close()

    def _begin(self):
        build = int(self._manifest["bus"]["hash"][:8], 16)
        try:
            identity, found = self.read("ID"), self.read("BUILD")
        except NoAnswer:
            if self.line["received"]:
                raise HostError(f"What comes from {self._place} at {self.baud} baud is no answer of an "
                                "accelerator; give the baud rate of what is on the board with --baud, or "
                                "load board/top.bit into the board again") from None
            raise HostError(f"No accelerator answers at {self._place} at {self.baud} baud; load "
                            "board/top.bit into the board, and see that port and baud rate are those of "
                            "the board") from None
        if identity != IDENTITY:
            raise HostError(f"What answers at {self._place} is no accelerator (0x{identity:08X})")
        if found != build:
            raise HostError(f"The board has another build ({found:08x}) than the folder ({build:08x}); "
                            f"load {self._load}, or name the folder of what is on the board")
        with self._failing():
            self._link.reset()

    def read(self, name: str) -> int:
        """Return what a register says; see docs/bus.md for the names.

        Raises
        ------
        HostError
            If there is none of that name, or it cannot be read.
        """
        return self._link.read(self._address(name, "read"))

    def write(self, name: str, value: int):
        """Write to a register.

        Raises
        ------
        HostError
            If there is none of that name, it cannot be written to, or has no such value.
        """
        address = self._address(name, "write")
        if not (isinstance(value, Integral) and 0 <= value < 2**32):
            raise HostError(f"A value of a register must be a whole number from 0 to {2**32 - 1}, not "
                            f"{value!r}")
        self._link.write(address, value)

    def _address(self, name, access):
        """Address of a register that is for ``access``."""
        register = self._registers.get(name)
        if register is None:
            raise HostError(f"There is no register {name!r}; there are: {', '.join(self._registers)}")
        if access not in register["access"]:
            raise HostError(f"Register {name} is not to {access}, but to {register['access']}")
        return register["address"]

    @property
    def line(self) -> dict[str, int]:
        """What has gone over the line: bytes ``sent`` and ``received``, requests made ``again``, and
        frames that were wrong at the other end, ``bad_there``, and at this one. Empty on AXI."""
        return self._link.counts

    def reset(self):
        """Reset the accelerator: the next image is the first one of the random stream again. Seed and
        thresholds that were set stay."""
        with self._failing():
            self._link.reset()
        self.images, self._whole = 0, True
        self.configure(**self._set)

    def configure(self, *, seed: int | None = None, confidence: float | None = None,
                  agreement: int | None = None):
        """Set what is that of the build otherwise; :func:`host.settings.configured` is for the golden
        model.

        Parameters
        ----------
        seed : int
            Start of the random stream, as ``--seed`` of a build: the next image is its first one.
        confidence : float
            Probability, from 0 to 1, from which on a pass is confident in a class.
        agreement : int
            Per cent of the passes, from 1 to 100, in which a class must be confident, or the image is
            rejected.

        Raises
        ------
        HostError
            If a value cannot be, the accelerator has no pseudo-random source, or an image is on its way.
        """
        for name, value, kind, least, most in (
                ("Seed", seed, Integral, 1, 2**64 - 1), ("Confidence", confidence, Real, 0, 1),
                ("Agreement", agreement, Integral, 1, 100)):
            if value is not None and not (isinstance(value, kind) and least <= value <= most):
                raise HostError(f"{name} must be {'a whole number ' * (kind is Integral)}from {least} to "
                                f"{most}, not {value!r}")
        given = {name: value for name, value in (("seed", seed), ("confidence", confidence),
                                                 ("agreement", agreement)) if value is not None}
        if not given:
            return
        refused = 1 << next(field["low"] for field in self._registers["EVENTS"]["fields"]
                            if field["name"] == "refused")
        if self._manifest["zero"] and (confidence, agreement) != (None, None):
            raise HostError("A regression answers with numbers and rejects no image; leave confidence and "
                            "agreement out")
        if seed is not None and "RESEED" not in self._registers:
            raise HostError("The accelerator has no pseudo-random source, so there is no seed; its random "
                            "bits are those of junctions, or it has none")
        writes = [("EVENTS", refused)]
        if confidence is not None:
            writes.append(("CONFIDENCE", threshold(confidence)))
        if agreement is not None:
            writes.append(("AGREEMENT", agreement))
        if seed is not None:
            writes += reseeding(seeds_of(seed, self._registers["SOURCES"]["value"]))
        with self._failing():
            for name, value in writes:
                self.write(name, value)
            taken = not self.read("EVENTS") & refused
        if not taken:
            raise HostError("The accelerator has an image on its way, so it takes no seed and no "
                            "threshold; see that no other program uses it, or reset it")
        self._set |= given
        if seed is not None:
            self.images = 0

    def predict(self, images: np.ndarray, passes: int = 20, *, steps=None) -> Predictions | Numbers:
        """Return the class, or the numbers of a regression, and the uncertainty of each of ``images``.

        Parameters
        ----------
        images : uint8 array (N, H, W), of colours (N, H, W, 3)
        passes : int
            Stochastic forward passes T of each image.
        steps : gen.progress.Progress, optional
            Where to draw a bar.

        Raises
        ------
        HostError
            If the images are not for the accelerator, there can be no such passes, the board is gone, or no
            result can be trusted any more.
        """
        manifest = self._manifest
        images   = np.asarray(images)
        each     = manifest["pixels"] * manifest["colours"]
        if images.dtype != np.uint8 or not len(images) or images[0].size != each:
            raise HostError(f"Images must be uint8, one at least, of {each} bytes each, not {images.dtype} "
                            f"{images.shape}")
        _check_passes(manifest, passes)
        steps  = steps or Progress(io.StringIO())
        result = math.prod(self._shape) * self._record.itemsize
        came   = bytearray()
        with self._failing():
            if not self._whole:
                self.reset()
            self._whole = False
            self.write("PASSES", passes)
            with closing(self._link.exchange(images.tobytes(), len(images) * result)) as pieces:
                for done in steps.bar(range(len(images))):
                    while len(came) < (done + 1) * result:
                        came += next(pieces)
                for _ in pieces:
                    pass # the last pixels have been answered before
        self._whole  = True
        self.images += len(images)
        return self._predictions(np.frombuffer(came, self._record).reshape(-1, *self._shape), passes)

    @contextmanager
    def _failing(self):
        """What a link says, in one line for a user."""
        if self._closed:
            raise HostError("The accelerator was closed; open it again with Accelerator.open")
        try:
            yield
        except NoAnswer:
            raise HostError(f"Nothing comes from {self._place} any more; see that the board has power, and "
                            f"load {self._load} again") from None
        except LinkError as error:
            raise HostError(f"The accelerator at {self._place} is none of this version, or not ready: "
                            f"{error}") from None

    def _predictions(self, record, passes):
        flags = record["flags"][..., -1]

        def flag(name):
            return (flags >> self._flags[name] & 1).astype(bool)

        if flag("error").any():
            raise HostError("The accelerator says that its results cannot be trusted: a health test of its "
                            "random bits has failed, or a bit has flipped; reset it, or load "
                            f"{self._load} into the board again")
        if flag("mismatch").any() or (record["passes"] != passes).any():
            raise HostError("The accelerator has taken images of another length, or another number of "
                            "passes; see that no other program has the port")
        said = Prediction(
            passes=passes, sums=record["sum"], squares=record["square"], votes=record["votes"],
            confident=record["confident"], prediction=record["prediction"][..., -1].astype(np.int64),
            reject=flag("reject"), unit=self._manifest["unit"], zero=self._manifest["zero"])
        if said.regression:
            return Numbers(said.mean, said.variance, record)
        return Predictions(
            classes=said.prediction, probabilities=said.mean, variance=said.variance,
            entropy=predictive_entropy(said.mean),
            approximate_mutual_information=approximate_mutual_information(said.mean, said.variance),
            rejected=said.reject, record=record)


def _axi_link(place, manifest, stack):
    record = sum(field["width"] for field in manifest["bus"]["record"]) // 8
    try:
        return AxiLink(*place.open(stack), manifest["bus"], result=math.prod(_shape(manifest)) * record,
                       image=manifest["pixels"] * manifest["colours"])
    except MemoryError:
        raise HostError(f"Memory for the DMA engine at {place} has no room for two images and a result; "
                        "give it more") from None


def _shape(manifest):
    """Axes of the records of an image: of positions, if they have answers, and of classes."""
    return (*(manifest.get("positions") or ()), manifest["classes"])


def passes_of(directory: Path, passes: int | None, *, axi: bool) -> int:
    """Return ``passes``, or those of the build in ``directory``, with AXI or a serial line; raise
    :exc:`HostError` if it has not so many."""
    manifest = _manifest(directory, axi)
    _check_passes(manifest, passes := manifest["passes"] if passes is None else passes)
    return passes


def _check_passes(manifest, passes):
    if not (isinstance(passes, Integral) and 1 <= passes <= manifest["passes_max"]):
        raise HostError(f"Passes must be from 1 to {manifest['passes_max']} (T_max of this build), not "
                        f"{passes}")


def _manifest(directory, axi):
    """The manifest of a build with AXI, or a serial line."""
    kind, what, options = (("axi", "AXI", "--bus axi") if axi else
                           ("uart", "a serial line", "--board ulx3s_85f"))
    way_out = f"make one with: python -m gen.build --layers NETWORK {options} --out DIR"
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
        known = manifest["generator"] == "spincim" and (manifest["bus"] or {}).get("kind") == kind
    except OSError as error:
        raise HostError(f"Folder {directory} has no manifest.json that can be read ({error.strerror}); "
                        f"{way_out}") from None
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise HostError(f"Folder {directory} has no build with {what}; {way_out}")
    return manifest
