"""An emitted design, as its manifest describes it."""

import functools
import hashlib
import json
from pathlib import Path


__all__ = ["Design", "DesignError"]


class DesignError(Exception):
    """A folder that holds no design that can be simulated, with the way out in its message."""


class Design:
    """What may be known of a design: its ports and the contents of its manifest.

    Raises
    ------
    DesignError
        If ``directory`` is not the output of a build.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        way_out = self._way_out = "make it with: python -m gen.build --layers lenet5"
        try:
            self.manifest = json.loads((directory / "manifest.json").read_text())
            self.ir = (directory / "ir.json").read_text()
        except FileNotFoundError as error:
            raise DesignError(f"Folder {directory} has no {Path(error.filename).name}; "
                              f"{way_out}") from None
        except (OSError, ValueError) as error:
            raise DesignError(f"Manifest of {directory} cannot be read ({error}); {way_out}") from None
        try:
            self.top     = self.manifest["top"]
            self.pixels  = self.manifest["pixels"]
            self.classes = self.manifest["classes"]
            #: Blocks of the layers, in their order.
            self.layers  = [layer["block"] for layer in self.manifest["layers"]]
            self.passes_max = self.manifest["passes_max"]
            self.schedule   = self.manifest["schedule"]
            self.results    = self.manifest["results"]
            #: File of hdl/ that each Verilog module comes from.
            self.modules    = self.manifest["modules"]
            self._members   = self.manifest["interface"]["members"]
            self._ports     = self.manifest["ports"]
            #: Arrays at the pins, by layer; none where they are in the design.
            self.arrays     = self.manifest["arrays"] if self.manifest["view"] == "macro" else {}
            #: Cycles that an image takes at most.
            self.latency    = self.manifest["estimated_latency_cycles"]
            self.sources    = [directory / source for source in self.manifest["sources"]]
        except (KeyError, TypeError) as error:
            raise DesignError(f"Manifest of {directory} lacks {error}; {way_out}") from None

    def port(self, name):
        """Direction, width and sign of the port ``name``."""
        return self._members[name]

    def payload(self, name):
        """Width and sign of the payload of the stream ``name``."""
        return self._members[name]["members"]["payload"]

    @functools.cached_property
    def cells(self) -> str:
        """What identifies the cells of all arrays at the pins.

        Raises
        ------
        DesignError
            If a memory image is missing.
        """
        contents = hashlib.sha256()
        for layer in self.arrays.values():
            for image in layer["images"]:
                try:
                    contents.update((self.directory / image["file"]).read_bytes())
                except OSError as error:
                    raise DesignError(f"Memory image {error.filename} cannot be read "
                                      f"({error.strerror}); {self._way_out}") from None
        return contents.hexdigest()

    def pins(self):
        """Name, width and whether it is an input of each port beside the streams, ``passes`` and
        ``alarm``."""
        for port in self._ports:
            if port["name"].split("__")[0] not in ("pixels", "results", "passes", "alarm"):
                yield port["name"], port["width"], port["direction"] == "in"
