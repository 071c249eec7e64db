"""A user's own images: pixels of the size and the components of a network, with or without labels.

============  =====================================================================================
``.npz``      array ``images``, uint8 (N, H, W), or (N, H, W, 3) for a network of colours, and
              ``labels``, integers (N,), if there are any
``.npy``      images, likewise
``.png``      one image of 8-bit grey, or of fewer bits, which are spread over 0 to 255; for a network
              of colours, of 8-bit red, green and blue
a folder      PNG files in the order of their names (``10.png`` before ``2.png``); or sub-folders of
              PNG files, each named by the number of a class, which is the label of its images. Other
              files in the folder are ignored, unless they are images of another format
other files   IDX, as those of MNIST, plain or compressed with gzip
============  =====================================================================================

Labels can also be in a separate file: ``.npy``, text with a number per line, or IDX. Those of a network
that has an answer for each position of a map, as of a segmentation, are arrays (N, H, W).
"""

import gzip
import math
import warnings
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gen.ir import Network
from golden.data import DataError, parse_idx


__all__ = ["Images", "check_pixels", "read_images"]


#: Endings of image files, so that an image that cannot be read is refused, not ignored.
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")

_FORMATS = "known are .npz, .npy, .png, a folder of PNG files, and IDX, plain or gzipped"


@dataclass(frozen=True, slots=True)
class Images:
    """N images for a network, with their labels and files if these are known."""

    pixels: np.ndarray              #: uint8 (N, H, W), of several components (N, H, W, colours).
    labels: np.ndarray | None = None #: int64 (N,), or (N, H, W) of positions, from 0 to K - 1, if there are
                                    #: any; for a regression its targets, float32 (N, K) or (N, H, W, K).
    files: tuple[str, ...] | None = None #: File of each image, if the images are files of a folder.

    def __len__(self):
        return len(self.pixels)

    def without_other_labels(self, network: Network) -> "Images":
        """Return the images without their labels where these are not of what ``network`` answers: the class
        of an image is none of each position, and no number of a regression."""
        fits = self.labels is None or (self.labels.shape[1:] == network.answer_shape
                                       and not network.head.regression)
        return self if fits else replace(self, labels=None)

    def first(self, count: int) -> "Images":
        """Return the first ``count`` images."""
        return Images(self.pixels[:count], None if self.labels is None else self.labels[:count],
                      None if self.files is None else self.files[:count])


def read_images(path: Path | str, network: Network, labels: Path | str | None = None) -> Images:
    """Return the images of ``path`` for ``network``, with the labels in ``path`` or in the file ``labels``.

    Raises
    ------
    DataError
        If a file is missing, damaged or of another kind; if pixels are no 8-bit grey or colours, or images
        of another size than the input of the network; if there is no image; or if labels are not one per
        image, or one for each position that has an answer, or no classes of the network.
    """
    path, shape = Path(path), network.input.shape
    kind, found, files = path.suffix.lower(), None, None
    try:
        if path.is_dir():
            pixels, found, files = _folder(path, shape, network)
        elif kind == ".png":
            pixels, files = _png(path, shape)[None], (path.name,)
        elif kind == ".npz":
            pixels, found = _npz(path)
        elif kind == ".npy":
            pixels = _npy(path)
        elif kind in _PICTURES:
            raise DataError(f"File {path} is no PNG; {_FORMATS}")
        else:
            pixels = _idx(path)
        check_pixels(pixels, path, shape)
        if found is not None and labels is not None:
            raise DataError(f"Labels are in {path} already; leave out {labels}")
        if labels is not None:
            found, path = _labels(Path(labels)), Path(labels)
        if found is not None:
            found = _checked_labels(found, path, len(pixels), network)
    except FileNotFoundError as error:
        raise DataError(f"File {error.filename} does not exist") from None
    except OSError as error:
        raise DataError(f"File {error.filename or path} cannot be read "
                        f"({error.strerror or error})") from None
    return Images(pixels, found, files)


def check_pixels(pixels: np.ndarray, path: Path | str, shape: tuple[int, ...]):
    """Raise :exc:`DataError` unless ``pixels``, of ``path``, are those of images of this ``shape``."""
    listed = ", ".join(map(str, shape))
    if pixels.dtype != np.uint8:
        raise DataError(f"Pixels of {path} must be uint8, from 0 to 255, not {_range(pixels)}; "
                        f"{_conversion(pixels)}")
    if pixels.shape[1:] != shape:
        # The conversion is named only where it has one meaning: not for images with swapped sides.
        way_out = ""
        if tuple(side for side in pixels.shape[1:] if side != 1) in (shape, (math.prod(shape),)) or (
                pixels.shape == shape):
            way_out = f"; convert them with: images.reshape(-1, {listed})"
        elif len(shape) == 3 and pixels.shape[1:] == (shape[2], *shape[:2]):
            way_out = "; convert them with: images.transpose(0, 2, 3, 1)"
        raise DataError(f"Images of {path} must be (N, {listed}), height before width, not "
                        f"{pixels.shape}{way_out}")
    if not len(pixels):
        raise DataError(f"File {path} has no images")


def _range(values):
    if not values.size or values.dtype.kind not in "uif":
        return str(values.dtype)
    return f"{values.dtype} from {values.min():g} to {values.max():g}"


def _conversion(pixels):
    if pixels.dtype == bool:
        return "convert them with: images * numpy.uint8(255)"
    if pixels.size and pixels.dtype.kind in "iuf" and pixels.min() >= 0:
        if pixels.dtype.kind == "f" and pixels.max() <= 1:
            return "convert them with: numpy.round(255 * images).astype('uint8')"
        if pixels.max() <= 255:
            return "convert them with: numpy.round(images).astype('uint8')"
    return "bring them to 0 to 255 first, as what the network was trained with"


def _checked_labels(labels, path, count, network):
    positions = network.answer_shape
    if network.head.regression:
        raise DataError(f"Labels of {path} are classes, and network {network.name!r} answers with numbers; "
                        "leave them out, and compare what is written by --out with your targets")
    if labels.dtype.kind not in "iu":
        raise DataError(f"Labels of {path} must be integers, the numbers of classes, not {labels.dtype}")
    if labels.shape[1:] != positions:
        each = (f"(N, {positions[0]}, {positions[1]}), one number for each position" if positions else
                "(N,), one number per image")
        raise DataError(f"Labels of {path} must be {each}, not {labels.shape}")
    if len(labels) != count:
        raise DataError(f"There are {count} images, but {len(labels)} labels in {path}")
    for wrong in labels[(labels < 0) | (labels >= network.classes)][:1]:
        raise DataError(f"Labels of {path} must be from 0 to {network.classes - 1}, the classes of the "
                        f"network, not {wrong}")
    return labels.astype(np.int64)


def _npz(path):
    try:
        with path.open("rb") as content:
            file = np.load(content, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it is no zip file")
            if "images" not in file:
                raise DataError(f"File {path} has no array 'images', but {', '.join(file) or 'nothing'}; "
                                f"write it with: numpy.savez(FILE, images=images, labels=labels)")
            return file["images"], file["labels"] if "labels" in file else None
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"File {path} must be what numpy.savez writes of arrays of numbers "
                        f"({_line(error)})") from None


def _npy(path):
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(f"File {path} must be what numpy.save writes of an array of numbers "
                        f"({_line(error)})") from None


def _idx(path):
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"File {path} is damaged ({_line(error)})") from None
    elif content[:3] != b"\0\0\x08":
        raise DataError(f"File {path} is of no known kind; {_FORMATS}")
    return parse_idx(content, path)


def _labels(path):
    if path.suffix.lower() == ".npy":
        return _npy(path)
    if path.suffix.lower() in (".txt", ".csv"):
        try:
            return np.array([int(line) for line in path.read_text().split()], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise DataError(f"File {path} must have the number of a class on each line "
                            f"({_line(error)})") from None
    if path.is_dir() or path.suffix.lower() in (".npz", *_PICTURES):
        raise DataError(f"Labels {path} must be a file: .npy, .txt with a number per line, or IDX")
    return _idx(path)


def _folder(path, shape, network):
    """Return the pixels, the labels if there are sub-folders, and the names of the files below ``path``."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    found   = _pictures(entries)
    labels  = None
    if found and folders:
        raise DataError(f"Folder {path} has images and sub-folders ({folders[0].name}); it must have "
                        f"either images, or a sub-folder for each class")
    if folders and network.answer_shape:
        raise DataError(f"Sub-folders of {path} name a class for each image, and network {network.name!r} "
                        "has answers for its positions; put the images into one folder, and name their "
                        "labels with --labels FILE")
    if folders:
        labels = []
        for folder in folders:
            if not (folder.name.isascii() and folder.name.isdecimal()
                    and int(folder.name) < network.classes):
                raise DataError(f"Sub-folder {folder} must be named by the number of a class, from 0 to "
                                f"{network.classes - 1}")
            pictures = _pictures(sorted(folder.iterdir()))
            found  += pictures
            labels += [int(folder.name)] * len(pictures)
    if not found:
        raise DataError(f"Folder {path} has no PNG files")
    pixels = np.empty((len(found), *shape), dtype=np.uint8)
    for index, file in enumerate(found):
        pixels[index] = _png(file, shape)
    return (pixels, None if labels is None else np.array(labels, dtype=np.int64),
            tuple(file.relative_to(path).as_posix() for file in found))


def _pictures(paths):
    """Return those of ``paths`` that are images."""
    found = [path for path in paths
             if path.suffix.lower() in _PICTURES and not path.name.startswith(".") and path.is_file()]
    for path in found:
        if path.suffix.lower() != ".png":
            raise DataError(f"File {path} is no PNG; convert it, or put it elsewhere")
    return found


def _png(path, shape):
    """Return the pixels of an image, uint8 of the shape ``shape``, which it must have."""
    size, mode, known, kind = (shape, "L", ("1", "L"), "8-bit grey") if len(shape) == 2 else (
        shape[:2], "RGB", ("RGB",), "8-bit red, green and blue")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise DataError("Package 'pillow', which reads PNG, is not installed; install it with: "
                        "pip install pillow") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning) # its size is looked at below
            image = Image.open(path, formats=["PNG"])
        with image:
            if (image.height, image.width) != size:
                raise DataError(f"Image {path} must be {size[0]} x {size[1]} (height x width), not "
                                f"{image.height} x {image.width}")
            if image.mode not in known:
                raise DataError(f"Image {path} must be {kind}, not {_kind(image.mode, mode)}")
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DataError(f"Image {path} is no PNG, or damaged ({_line(error)})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"Image {path} is damaged ({_line(error)})") from None


def _kind(mode, wanted):
    if mode.startswith("I"):
        return "16-bit; divide its pixels by 257 and save them with 8 bits"
    way_out = f"; convert it, for instance with Pillow: Image.open(FILE).convert('{wanted}').save(FILE)"
    kinds = {"1": "grey", "L": "grey", "LA": "grey with transparency", "P": "colour of a palette",
             "RGBA": "colour with transparency" if wanted == "RGB" else "colour"}
    return kinds.get(mode, "colour") + way_out


def _line(error):
    return " ".join(str(error).split()) or type(error).__name__
