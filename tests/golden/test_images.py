"""A user's own images: what is read, and what is said of what is not."""

import gzip
import struct
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gen.ir import Input
from golden.data import DataError
from golden.images import read_images


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 6), dtype=np.uint8)
LABELS = [2, 0, 1, 2, 2]


@pytest.fixture
def network(random_network):
    """A network for images of 8 x 6 in three classes."""
    network = random_network(0)
    last = replace(network.layers[-1], outputs=3)
    return replace(network, input=Input(8, 6, (128,)), layers=(last,))


def idx(values):
    values = np.asarray(values, dtype=np.uint8)
    shape  = struct.pack(f">{values.ndim}I", *values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + shape + values.tobytes()


def save_pngs(folder, pixels=PIXELS, names="edcba"):
    """In an order of names that is not that of writing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(reversed(names), pixels, strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")


def write(folder, kind):
    """Write the images in one of the ways; return the path, and whether labels are in it."""
    path = folder / f"images{kind}"
    if kind == ".npz":
        np.savez(path, images=PIXELS, labels=LABELS)
    elif kind == ".npy":
        np.save(path, PIXELS)
    elif kind == "":
        save_pngs(path)
    else:
        path.write_bytes(idx(PIXELS) if kind == "-idx3-ubyte" else gzip.compress(idx(PIXELS)))
    return path


@pytest.mark.parametrize("kind", [".npz", ".npy", "", "-idx3-ubyte", "-idx3-ubyte.gz"])
def test_kinds(network, tmp_path, kind):
    images = read_images(str(write(tmp_path, kind)), network)
    assert (images.pixels == PIXELS).all() and images.pixels.dtype == np.uint8
    assert images.labels is None if kind != ".npz" else images.labels.tolist() == LABELS
    assert images.files == (None if kind else ("a.png", "b.png", "c.png", "d.png", "e.png"))


@pytest.mark.parametrize("kind", [".npy", ".txt", ".csv", "-idx1-ubyte", "-idx1-ubyte.gz"])
def test_labels_of_their_own(network, tmp_path, kind):
    path = tmp_path / f"labels{kind}"
    if kind == ".npy":
        np.save(path, np.array(LABELS, np.int16))
    elif kind in (".txt", ".csv"):
        path.write_text("\n".join(map(str, LABELS)) + "\n")
    else:
        path.write_bytes(gzip.compress(idx(LABELS)) if kind.endswith("gz") else idx(LABELS))
    images = read_images(write(tmp_path, ""), network, path)
    assert images.labels.tolist() == LABELS and images.labels.dtype == np.int64
    assert images.first(2).labels.tolist() == LABELS[:2]
    assert images.first(2).files == ("a.png", "b.png") and len(images.first(2)) == 2


def test_folder_of_classes(network, tmp_path):
    save_pngs(tmp_path / "in" / "2", PIXELS[:3], "zyx")
    save_pngs(tmp_path / "in" / "0", PIXELS[3:], "cb")
    (tmp_path / "in" / "1").mkdir()
    (tmp_path / "in" / ".DS_Store").touch()
    (tmp_path / "in" / "2" / "notes.txt").touch()
    images = read_images(tmp_path / "in", network)
    assert images.files == ("0/b.png", "0/c.png", "2/x.png", "2/y.png", "2/z.png")
    assert images.labels.tolist() == [0, 0, 2, 2, 2]
    assert (images.pixels == np.concatenate([PIXELS[3:], PIXELS[:3]])).all()


def test_one_png(network, tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "one.PNG")
    images = read_images(tmp_path / "one.PNG", network)
    assert (images.pixels == PIXELS[:1]).all() and images.files == ("one.PNG",)


@pytest.mark.parametrize("bits, last", [(1, 1), (2, 3), (4, 15)])
def test_png_of_fewer_bits_is_spread(network, tmp_path, bits, last):
    """As the PNG specification says: the largest value is white."""
    values = np.random.default_rng(1).integers(0, last + 1, (8, 6), dtype=np.uint8)
    image = Image.fromarray(values * np.uint8(255), "L").convert("1") if bits == 1 else None
    if bits == 1:
        image.save(tmp_path / "low.png")
    else:
        write_png(tmp_path / "low.png", values, bits)
    assert (read_images(tmp_path / "low.png", network).pixels[0] == values * (255 // last)).all()


def write_png(path, values, bits, kind=0):
    """A PNG file by its specification: no other writer here makes those of two and four bits."""
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(
            ">I", zlib.crc32(name + content))

    height, width = values.shape
    packed = np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(height, -1)
    rows = np.packbits(packed, axis=1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))) + chunk(b"IEND", b""))


def refused(network, path, labels=None):
    """What is said of ``path``, which must be one line."""
    with pytest.raises(DataError) as caught:
        read_images(path, network, labels)
    assert "\n" not in str(caught.value)
    return str(caught.value)


BRING = "bring them to 0 to 255 first, as what the network was trained with"


@pytest.mark.parametrize("pixels, message", [
    (PIXELS / 255, "float64 from {low:g} to {high:g}; convert them with: "
                   "numpy.round(255 * images).astype('uint8')"),
    (PIXELS.astype(np.float32), "float32 from {low:g} to {high:g}; convert them with: "
                                "numpy.round(images).astype('uint8')"),
    (PIXELS.astype(int), "int64 from {low:g} to {high:g}; convert them with: "
                         "numpy.round(images).astype('uint8')"),
    (PIXELS.astype(np.int16) - 128, "int16 from {low:g} to {high:g}; " + BRING),
    (PIXELS.astype(np.uint16) * 257, "uint16 from {low:g} to {high:g}; " + BRING),
    (PIXELS * np.nan, "float64 from nan to nan; " + BRING),
    (PIXELS > 99, "bool; convert them with: images * numpy.uint8(255)"),
    (PIXELS.astype("S1"), "|S1; " + BRING),
])
def test_wrong_pixels(network, tmp_path, pixels, message):
    path = tmp_path / "images.npy"
    np.save(path, pixels)
    low, high = (pixels.min(), pixels.max()) if pixels.dtype.kind in "uif" else (0, 0)
    assert refused(network, path) == (f"Pixels of {path} must be uint8, from 0 to 255, not "
                                      + message.format(low=low, high=high))


@pytest.mark.parametrize("pixels, message", [
    (PIXELS[:, None], "(5, 1, 8, 6); convert them with: images.reshape(-1, 8, 6)"),
    (PIXELS[..., None], "(5, 8, 6, 1); convert them with: images.reshape(-1, 8, 6)"),
    (PIXELS.reshape(5, 48), "(5, 48); convert them with: images.reshape(-1, 8, 6)"),
    (PIXELS[0], "(8, 6); convert them with: images.reshape(-1, 8, 6)"),
    (PIXELS.transpose(0, 2, 1), "(5, 6, 8)"), # lies on its side
    (PIXELS[:, :7], "(5, 7, 6)"),
    (PIXELS[..., None].repeat(3, -1), "(5, 8, 6, 3)"),
    (np.uint8(3), "()"),
])
def test_wrong_shape(network, tmp_path, pixels, message):
    path = tmp_path / "images.npz"
    np.savez(path, images=pixels)
    assert refused(network, path) == (
        f"Images of {path} must be (N, 8, 6), height before width, not {message}")


def test_no_images(network, tmp_path):
    np.save(tmp_path / "images.npy", PIXELS[:0])
    assert refused(network, tmp_path / "images.npy") == f"File {tmp_path}/images.npy has no images"
    (tmp_path / "in").mkdir()
    assert refused(network, tmp_path / "in") == f"Folder {tmp_path}/in has no PNG files"
    (tmp_path / "in" / "1").mkdir()
    assert refused(network, tmp_path / "in") == f"Folder {tmp_path}/in has no PNG files"


@pytest.mark.parametrize("mode, kind", [
    ("RGB", "colour; convert it, for instance with Pillow: Image.open(FILE).convert('L').save(FILE)"),
    ("RGBA", "colour; convert it, for instance with Pillow: Image.open(FILE).convert('L').save(FILE)"),
    ("P", "colour of a palette; convert it, for instance with Pillow: "
          "Image.open(FILE).convert('L').save(FILE)"),
    ("LA", "grey with transparency; convert it, for instance with Pillow: "
           "Image.open(FILE).convert('L').save(FILE)"),
    ("I;16", "16-bit; divide its pixels by 257 and save them with 8 bits"),
])
def test_other_png(network, tmp_path, mode, kind):
    save_pngs(tmp_path / "in")
    path = tmp_path / "in" / "c.png"
    if mode == "I;16":
        Image.fromarray(PIXELS[0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(PIXELS[0]).convert(mode).save(path)
    assert refused(network, tmp_path / "in") == f"Image {path} must be 8-bit grey, not {kind}"


def test_mixed_sizes(network, tmp_path):
    save_pngs(tmp_path / "in")
    path = tmp_path / "in" / "d.png"
    Image.fromarray(PIXELS[0].T.copy()).save(path)
    assert refused(network, tmp_path / "in") == (
        f"Image {path} must be 8 x 6 (height x width), not 6 x 8")


@pytest.mark.parametrize("content, message", [
    (b"", "is no PNG, or damaged"), (b"GIF89a", "is no PNG, or damaged"), (None, "damaged ("),
])
def test_damaged_png(network, tmp_path, content, message):
    path = tmp_path / "one.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    said = refused(network, path)
    assert said.startswith(f"Image {path} is ") and message in said


def test_huge_png_is_not_decoded(network, tmp_path, recwarn):
    path = tmp_path / "one.png"
    write_png(path, np.zeros((1, 1), np.uint8), 8)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 9_999, 9_999)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(content)
    assert refused(network, path) == f"Image {path} must be 8 x 6 (height x width), not 9999 x 9999"
    assert not recwarn.list


def test_png_without_pillow(network, tmp_path, monkeypatch):
    Image.fromarray(PIXELS[0]).save(tmp_path / "one.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert refused(network, tmp_path / "one.png") == (
        "Package 'pillow', which reads PNG, is not installed; install it with: pip install pillow")


def test_other_pictures_are_not_left_out(network, tmp_path):
    save_pngs(tmp_path / "in")
    (tmp_path / "in" / "z.jpg").touch()
    assert refused(network, tmp_path / "in") == (
        f"File {tmp_path}/in/z.jpg is no PNG; convert it, or put it elsewhere")
    assert refused(network, tmp_path / "in" / "z.jpg") == (
        f"File {tmp_path}/in/z.jpg is no PNG; known are .npz, .npy, .png, a folder of PNG files, and IDX, "
        "plain or gzipped")


def test_images_and_folders(network, tmp_path):
    save_pngs(tmp_path / "in")
    save_pngs(tmp_path / "in" / "1")
    assert refused(network, tmp_path / "in") == (
        f"Folder {tmp_path}/in has images and sub-folders (1); it must have either images, or a sub-folder "
        "for each class")


@pytest.mark.parametrize("name", ["cat", "3", "-1", "²"])
def test_folder_that_is_no_class(network, tmp_path, name):
    save_pngs(tmp_path / "in" / name)
    assert refused(network, tmp_path / "in") == (
        f"Sub-folder {tmp_path}/in/{name} must be named by the number of a class, from 0 to 2")


@pytest.mark.parametrize("labels, message", [
    ([0, 1, 2, 3, 0], "Labels of {} must be from 0 to 2, the classes of the network, not 3"),
    ([0, 1, 2, -1, 0], "Labels of {} must be from 0 to 2, the classes of the network, not -1"),
    ([0, 1, 2, 2], "There are 5 images, but 4 labels in {}"),
    ([0.0] * 5, "Labels of {} must be integers, the numbers of classes, not float64"),
    ([[0]] * 5, "Labels of {} must be (N,), one number per image, not (5, 1)"),
    ([[[0, 1], [1, 0]]] * 5, "Labels of {} must be (N,), one number per image, not (5, 2, 2)"),
])
@pytest.mark.parametrize("separate", [False, True])
def test_wrong_labels(network, tmp_path, labels, message, separate):
    if separate:
        path, labels_path = write(tmp_path, ""), tmp_path / "labels.npy"
        np.save(labels_path, labels)
    else:
        path, labels_path = tmp_path / "images.npz", None
        np.savez(path, images=PIXELS, labels=labels)
    assert refused(network, path, labels_path) == message.format(labels_path or path)


def test_labels_twice(network, tmp_path):
    assert refused(network, write(tmp_path, ".npz"), tmp_path / "labels.npy") == (
        f"Labels are in {tmp_path}/images.npz already; leave out {tmp_path}/labels.npy")


@pytest.mark.parametrize("name, content, message", [
    ("a.npz", b"PK\3\4 and no more", "must be what numpy.savez writes of arrays of numbers ("),
    ("a.npz", b"no zip", "must be what numpy.savez writes of arrays of numbers ("),
    ("a.npy", b"", "must be what numpy.save writes of an array of numbers ("),
    ("a.npy", b"\x93NUMPY\1\0v\0{'descr': '|u1'",
     "must be what numpy.save writes of an array of numbers ("),
    ("a", b"some text", "is of no known kind; known are .npz, .npy, .png, a folder of PNG files, and IDX, "
                        "plain or gzipped"),
    ("a.gz", gzip.compress(b"some text", mtime=0),
     "must be an IDX file of bytes, which begins with 00 00 08, not with 73 6f 6d"),
    ("a.gz", gzip.compress(idx(PIXELS), mtime=0)[:40], "is damaged ("),
    ("a-idx", idx(PIXELS)[:-1], "has 239 values, but its header states 5 x 8 x 6"),
])
def test_damaged_file(network, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    said = refused(network, path)
    assert f"ile {path} {message}" in said


def test_npz_without_images(network, tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, x_test=PIXELS, y_test=LABELS)
    assert refused(network, path) == (
        f"File {path} has no array 'images', but x_test, y_test; write it with: numpy.savez(FILE, "
        "images=images, labels=labels)")


def test_objects_are_not_unpickled(network, tmp_path):
    np.save(tmp_path / "a.npy", np.array([PIXELS, None], dtype=object))
    assert refused(network, tmp_path / "a.npy").startswith(
        f"File {tmp_path}/a.npy must be what numpy.save writes of an array of numbers (")
    np.savez(tmp_path / "a.npz", images=np.array([None]))
    assert refused(network, tmp_path / "a.npz").startswith(
        f"File {tmp_path}/a.npz must be what numpy.savez writes of arrays of numbers (")


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.png", "a", "a.gz"])
def test_missing_file(network, tmp_path, name):
    assert refused(network, tmp_path / name) == f"File {tmp_path / name} does not exist"
    assert refused(network, write(tmp_path, ".npy"), tmp_path / "no.npy") == (
        f"File {tmp_path}/no.npy does not exist")


def test_labels_that_are_no_file(network, tmp_path):
    path = write(tmp_path, ".npy")
    assert refused(network, path, tmp_path) == (
        f"Labels {tmp_path} must be a file: .npy, .txt with a number per line, or IDX")
    (tmp_path / "labels.txt").write_text("1\ncat\n")
    assert refused(network, path, tmp_path / "labels.txt") == (
        f"File {tmp_path}/labels.txt must have the number of a class on each line (invalid literal for "
        "int() with base 10: 'cat')")


@pytest.fixture
def colours(network):
    """The same for pixels of three colours."""
    return replace(network, input=Input(8, 6, (), bits=8, colours=3))


def test_colours(colours, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels, labels=LABELS)
    save_pngs(tmp_path / "images", pixels)
    for path in ("images.npz", "images"):
        assert (read_images(tmp_path / path, colours).pixels == pixels).all()


@pytest.mark.parametrize("pixels, message", [
    (PIXELS, r"Images of .* must be \(N, 8, 6, 3\), height before width, not \(5, 8, 6\)"),
    (np.zeros((5, 3, 8, 6), np.uint8), r"Images of .* must be \(N, 8, 6, 3\), height before width, not "
     r"\(5, 3, 8, 6\); convert them with: images.transpose\(0, 2, 3, 1\)"),
    (np.zeros((5, 144), np.uint8), r"Images of .* must be \(N, 8, 6, 3\), height before width, not "
     r"\(5, 144\); convert them with: images.reshape\(-1, 8, 6, 3\)"),
])
def test_arrays_that_are_no_colours(colours, tmp_path, pixels, message):
    np.save(tmp_path / "images.npy", pixels)
    with pytest.raises(DataError, match=f"^{message}$"):
        read_images(tmp_path / "images.npy", colours)


def test_grey_picture_for_colours(colours, tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "grey.png")
    with pytest.raises(DataError, match="^Image .* must be 8-bit red, green and blue, not grey; convert it,"
                       r" for instance with Pillow: .*convert\('RGB'\).save\(FILE\)$"):
        read_images(tmp_path / "grey.png", colours)
