"""An emitted design, as its manifest describes it."""

import functools
import hashlib
import json
import math
from pathlib import Path

from gen.command import UserError
from gen.ir import Network, load
from gen.tools import version


__all__ = ["Design", "DesignError"]


class DesignError(UserError):
    """A folder that holds no design that can be simulated, with the way out in its message."""


class Design:
    """Ports of an emitted design and the contents of its manifest.

    Raises
    ------
    DesignError
        If ``directory`` is not the output of a build, or not of this version; or if files of it are
        missing, were changed since, or are of another build.
    """

    def __init__(self, directory: Path | str):
        self.directory = directory = Path(directory)
        way_out = self._way_out = "make it with: python -m gen.build --layers lenet5"
        try:
            self.manifest = json.loads((directory / "manifest.json").read_text())
            self.ir = (directory / "ir.json").read_text()
        except FileNotFoundError as error:
            raise DesignError(f"Folder {directory} has no {Path(error.filename).name}; "
                              f"{way_out}") from None
        except (OSError, ValueError) as error:
            raise DesignError(f"Manifest of {directory} cannot be read ({error}); {way_out}") from None
        _check_version(directory, self.manifest)
        try:
            self.top     = self.manifest["top"]
            self.pixels  = self.manifest["pixels"]
            self.classes = self.manifest["classes"]
            #: Blocks of the layers, in their order.
            self.layers  = [layer["block"] for layer in self.manifest["layers"]]
            self.passes     = self.manifest["passes"]
            self.passes_max = self.manifest["passes_max"]
            self.schedule   = self.manifest["schedule"]
            self.results    = self.manifest["results"]
            self.clock_mhz  = self.manifest["clock_mhz"]
            #: File of hdl/ that each Verilog module comes from.
            self.modules    = self.manifest["modules"]
            self._members   = self.manifest["interface"]["members"]
            #: Name, width and direction of every port but clock and reset.
            self.ports      = self.manifest["ports"]
            #: Arrays at the pins, by layer; none where they are in the design.
            self.arrays     = self.manifest["arrays"] if self.manifest["view"] == "macro" else {}
            #: Files of weights that the Verilog reads, from the folder that a macro of this name is.
            self.weights       = self.manifest["weights"]["files"]
            self.weights_macro = self.manifest["weights"]["macro"]
            #: Cycles that an image takes at most.
            self.latency    = self.manifest["estimated_latency_cycles"]
            self.sources    = [directory / source for source in self.manifest["sources"]]
            #: Hashes of the files that the build has written, by name.
            self._files     = self.manifest["files"]
        except (KeyError, TypeError) as error:
            raise DesignError(f"Manifest of {directory} lacks {error}; {way_out}") from None
        for name, value in (("passes", self.passes), ("passes_max", self.passes_max),
                            ("clock_mhz", self.clock_mhz), ("estimated_latency_cycles", self.latency)):
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise DesignError(f"Manifest of {directory} has {name} = {value!r}, which must be above 0; "
                                  f"{way_out}")
        self._check_files()

    def _check_files(self):
        """Refuse a folder where a file that simulation reads is missing or is not that of the build."""
        changed = []
        for name, expected in self._files.items():
            if name != "ir.json" and not name.startswith("rtl/"):
                continue
            try:
                contents = (self.directory / name).read_bytes()
            except OSError as error:
                raise DesignError(f"Folder {self.directory} has no {name} that can be read "
                                  f"({error.strerror}); {self._way_out}") from None
            if hashlib.sha256(contents).hexdigest() != expected:
                changed.append(name)
        if changed:
            raise DesignError(f"Folder {self.directory} has what was changed since it was built, or is of "
                              f"another build: {', '.join(changed)}; build the design again with --out DIR")

    @functools.cached_property
    def network(self) -> Network:
        """The compiled network.

        Raises
        ------
        DesignError
            If it cannot be read, or is not that of the manifest.
        """
        try:
            network = load(self.ir)
            same = (network.input.height * network.input.width, network.layers[-1].outputs,
                    [layer.name for layer in network.layers]) == (
                        self.pixels, self.classes, [layer["name"] for layer in self.manifest["layers"]])
            if network.generator is None or not network.layers[-1].banks:
                raise ValueError("it is not compiled")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise DesignError(f"Network {self.directory / 'ir.json'} cannot be read ({error}); "
                              f"{self._way_out}") from None
        if not same:
            raise DesignError(f"Files ir.json and manifest.json of {self.directory} are not of one build; "
                              f"{self._way_out}")
        return network

    def port(self, name):
        """Direction, width and sign of the port ``name``."""
        return self._members[name]

    def payload(self, name):
        """Width and sign of the payload of the stream ``name``."""
        return self._members[name]["members"]["payload"]

    @functools.cached_property
    def cells(self) -> str:
        """What identifies the contents of all files that a simulator of the design reads: the cells of
        arrays at the pins, and weights. Empty if there are none.

        Raises
        ------
        DesignError
            If a memory image is missing.
        """
        files = [image["file"] for layer in self.arrays.values() for image in layer["images"]]
        files += self.weights
        contents = hashlib.sha256()
        for file in files:
            try:
                contents.update((self.directory / file).read_bytes())
            except OSError as error:
                raise DesignError(f"Memory image {error.filename} cannot be read "
                                  f"({error.strerror}); {self._way_out}") from None
        return contents.hexdigest() if files else ""

    def pins(self):
        """Name, width and whether it is an input of each port beside the streams, ``passes`` and
        ``alarm``."""
        for port in self.ports:
            if port["name"].split("__")[0] not in ("pixels", "results", "passes", "alarm"):
                yield port["name"], port["width"], port["direction"] == "in"


def _check_version(directory, manifest):
    """Refuse a design of another version, whose harness and golden model may be others."""
    here  = version()
    there = manifest.get("generator_version", here) if isinstance(manifest, dict) else here
    if there != here:
        raise DesignError(f"Design in {directory} was built by version {there}, and this is version "
                          f"{here}; build it again")
