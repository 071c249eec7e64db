"""An emitted design, as its manifest describes it."""

import functools
import hashlib
import json
import math
from pathlib import Path

from gen.command import UserError
from gen.ir import Network, load
from gen.output import MANIFEST, identity
from gen.tools import version


__all__ = ["Design", "DesignError"]


_WAY_OUT = "make one with: python -m gen.build --layers NETWORK --out DIR"


class DesignError(UserError):
    """A folder that holds no design that can be simulated, with the way out in its message."""


class Design:
    """Ports of an emitted design and the contents of its manifest.

    Raises
    ------
    DesignError
        If ``directory`` is not the output of a build, or not of this version; or if the manifest or
        other files of it are missing, were changed since, or are of another build.
    """

    def __init__(self, directory: Path | str):
        self.directory = directory = Path(directory)
        if directory.exists() and not directory.is_dir():
            raise DesignError(f"Design {directory} is no folder; {_WAY_OUT}")
        self.manifest = manifest = _read_manifest(directory)
        if "outputs" in manifest:
            raise DesignError(f"Folder {directory} has an estimate and no design; {_WAY_OUT}")
        self._check_files()
        try:
            self.top     = manifest["top"]
            self.pixels  = manifest["pixels"]
            self.colours = manifest["colours"]
            #: Pixels that enter in a cycle.
            self.pixels_per_word = manifest["pixels_per_word"]
            #: Instances of the accelerator, each with all layers.
            self.instances = (manifest["instances"] or {"count": 1})["count"]
            self.classes = manifest["classes"]
            #: What the words of the averaging block mean (:class:`gen.ir.Head`).
            self.unit, self.zero = manifest["unit"], manifest["zero"]
            #: Height and width of the positions that have answers, empty where the image has one.
            self.answer_shape = tuple(manifest["positions"] or ())
            #: Words of a result.
            self.words   = math.prod(self.answer_shape) * self.classes
            #: Blocks of the layers, in their order.
            self.layers  = [layer["block"] for layer in manifest["layers"]]
            self.passes     = manifest["passes"]
            self.passes_max = manifest["passes_max"]
            self.schedule   = manifest["schedule"]
            self.results    = manifest["results"]
            self.clock_mhz  = manifest["clock_mhz"]
            #: File of hdl/ that each Verilog module comes from.
            self.modules    = manifest["modules"]
            self._members   = manifest["interface"]["members"]
            #: Name, width and direction of every port but clock and reset.
            self.ports      = manifest["ports"]
            #: Arrays at the pins, by layer; none where they are in the design.
            self.arrays     = manifest["arrays"] if manifest["view"] == "macro" else {}
            #: Files of weights that the Verilog reads, from the folder that a macro of this name is.
            self.weights       = manifest["weights"]["files"]
            self.weights_macro = manifest["weights"]["macro"]
            #: Cycles that an image takes at most.
            self.latency    = manifest["estimated_latency_cycles"]
            self.sources    = [directory / source for source in manifest["sources"]]
        except KeyError as error:
            raise DesignError(f"Manifest of {directory} lacks {error}; {_WAY_OUT}") from None

    def _check_files(self):
        """Refuse a folder where the manifest, or a file that simulation reads, is not that of the build."""
        changed = [] if self.manifest.get("build") == identity(self.manifest) else [MANIFEST]
        for name, expected in self.manifest["files"].items():
            if name != "ir.json" and not name.startswith("rtl/"):
                continue
            try:
                contents = (self.directory / name).read_bytes()
            except OSError as error:
                raise DesignError(f"Folder {self.directory} has no {name} that can be read "
                                  f"({error.strerror}); {_WAY_OUT}") from None
            if hashlib.sha256(contents).hexdigest() != expected:
                changed.append(name)
        if changed:
            raise DesignError(f"Folder {self.directory} has what was changed since it was built, or is of "
                              f"another build: {', '.join(changed)}; build the design again with --out DIR")

    @functools.cached_property
    def network(self) -> Network:
        """The compiled network."""
        return load((self.directory / "ir.json").read_text())

    @property
    def traced(self) -> list[list[str]]:
        """Names of the layers in a trace, by instance: where they are in the design."""
        return [[f"instance_{number}.{layer}" if self.instances > 1 else layer for layer in self.layers]
                for number in range(self.instances)]

    def port(self, name):
        """Direction, width and sign of the port ``name``."""
        return self._members[name]

    def payload(self, name):
        """Width and sign of the payload of the stream ``name``."""
        return self._members[name]["members"]["payload"]

    @property
    def cells(self) -> str:
        """What identifies the contents of all files that a simulator of the design reads: the cells of
        arrays at the pins, and weights. Empty if there are none."""
        files = [image["file"] for layer in self.arrays.values() for image in layer["images"]]
        hashes = [self.manifest["files"][name] for name in files + self.weights]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else ""

    def need_one_instance(self, what: str):
        """Raise :exc:`DesignError` if there are several instances, which ``what`` is not for."""
        if self.instances > 1:
            raise DesignError(f"{what} of one instance, and design {self.directory} has {self.instances}; "
                              f"build another without --instances")

    @property
    def pins(self) -> dict[str, int]:
        """Width of each port beside the streams, ``passes`` and ``alarm``."""
        return {port["name"]: port["width"] for port in self.ports
                if port["name"].split("__")[0] not in ("pixels", "results", "passes", "alarm")}


def _read_manifest(directory):
    """Return the manifest of a build of this version in ``directory``."""
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise DesignError(f"Folder {directory} has no {MANIFEST}; {_WAY_OUT}") from None
    except OSError as error:
        raise DesignError(f"Manifest {path} cannot be read ({error.strerror}); {_WAY_OUT}") from None
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise DesignError(f"Manifest {path} is none that a build has written; {_WAY_OUT}")
    here, there = version(), manifest.get("generator_version")
    # Harness and golden model of another version may be others.
    if there != here:
        raise DesignError(f"Design in {directory} was built by version {there}, and this is version "
                          f"{here}; build it again")
    return manifest
