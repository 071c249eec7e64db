"""The images that a simulation is asked for: a user's, or those of the data set of the network."""

from pathlib import Path

from golden.data import data_set
from golden.images import Images, read_images
from sim.bit_exact import SimulationError
from sim.design import Design


__all__ = ["images_of"]


def images_of(design: Design, *, data: Path | None = None, given: Path | None = None,
              labels: Path | None = None, ood=False) -> Images:
    """Return images for ``design``: those of ``given``, with ``labels`` if there are; or the test images of
    its data set in the folder ``data``; or the images of MNIST that come with the project.

    Raises
    ------
    SimulationError
        If there are none, or none that fit; or if ``ood``, sets that are out of distribution, goes with
        none of them.
    DataError
        If a file cannot be used.
    """
    if given:
        if data or ood:
            raise SimulationError("Sets of --data and --ood go with MNIST; leave them out, or --input")
        return read_images(given, design.network, labels)
    if labels:
        raise SimulationError("Labels belong to images of your own; name these with --input FILE")
    network = design.network
    known   = data_set(network.data)
    if data is not None:
        images = Images(*known.load(data, "test"))
    elif known.sample:
        images = Images(*known.sample())
    else:
        raise SimulationError(f"No images of {known.title} come with the project; name a folder that has "
                              "it with --data DIR, or images of your own with --input FILE")
    if ood and network.head.regression:
        raise SimulationError(f"Network {network.name!r} answers with numbers, which no set is judged by; "
                              "leave out --ood")
    if ood and not known.ood:
        raise SimulationError(f"No set is known that is out of distribution for {known.title}; leave out "
                              "--ood")
    classes = network.classes
    images = images.without_other_labels(network)
    most = 0 if images.labels is None else images.labels.max()
    if images.pixels.shape[1:] != network.input.shape or most >= classes:
        sizes = [" x ".join(map(str, shape)) for shape in (network.input.shape, images.pixels.shape[1:])]
        raise SimulationError(f"Network of {design.directory} takes images of {sizes[0]} in {classes} "
                              f"classes, and those of {known.title} are {sizes[1]} in "
                              f"{1 + most}; name images of your own with --input FILE")
    return images
