"""Classes and uncertainty from a board: ``python -m host.predict build/lenet5 --port /dev/ttyUSB0``.

With ``--virtual`` the board is simulated, and the rest is the same::

    python -m host.predict build/lenet5 --virtual --images 100 --check

Beside a processor, the accelerator is on AXI::

    python -m host.predict build/lenet5_axi --overlay design.bit --images 100
"""

import argparse
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, command, whole
from gen.files import refuse_unwritable, replacing
from gen.ir import load
from gen.progress import Progress
from golden.answers import answer
from golden.data import data_set, load_sample
from golden.images import Images, read_images
from host.accelerator import MOST_HITS, Accelerator, HostError, Numbers, Predictions, passes_of
from host.devices import Memory, Overlay
from host.settings import configured


__all__ = ["differing", "main"]


@command("host.predict", stopped="stopped")
def main(arguments=None):
    """Predict and print; return 0, or 1 where what was checked differs."""
    args    = _parse(arguments)
    # What is wrong with an argument is said before a board is looked for, or simulated.
    args.passes = passes_of(args.directory, args.passes, axi=bool(args.registers or args.overlay))
    network = _network(args.directory)
    images  = _images(args, network)
    if args.out:
        refuse_unwritable(args.out)
    steps = Progress()
    with Accelerator.open(args.directory, _port(args), baud=args.baud, hits=args.hits, seed=args.seed,
                          steps=steps) as accelerator:
        accelerator.configure(**_settings(args))
        steps.step(f"predict {len(images)} images")
        before, line, started = accelerator.read("CYCLES"), accelerator.line, time.monotonic()
        found   = accelerator.predict(images.pixels, args.passes, steps=steps)
        seconds = time.monotonic() - started
        report  = _report(accelerator, found, images, seconds)
        if line:
            sent = accelerator.line["sent"] - line["sent"]
            # The time of a simulated board is that of its clock.
            of_board = ((accelerator.read("CYCLES") - before) % 2**32 / accelerator.clock_hz if args.virtual
                        else seconds)
            report["line_to_board_in_use"] = f"{100 * 10 * sent / accelerator.baud / of_board:.1f} %"
    if args.check:
        report["differ_from_golden_model"] = different = int(
            differing(found, configured(network, **_settings(args)), images.pixels, args.passes).sum())
    if args.out:
        _write(args.out, found)
    print(tabulate(report.items(), tablefmt="plain", disable_numparse=True))
    return int(args.check and different > 0)


def _parse(arguments):
    parser = Parser(prog="host.predict", description="Predict images by an accelerator on a board.")
    parser.add_argument("directory", type=Path,
        help="output folder of a build with --board, --bus uart or --bus axi")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", metavar="PORT",
        help="serial port of the board, such as /dev/ttyUSB0 or COM3")
    where.add_argument("--virtual", action="store_true", help="simulate the board")
    where.add_argument("--overlay", metavar="FILE",
        help="bitstream that PYNQ loads, with blocks named accelerator_axi_0 and axi_dma_0")
    where.add_argument("--registers", metavar="PLACE",
        help="registers on AXI: an address of /dev/mem, such as 0xA0000000, or a device such as /dev/uio0")
    parser.add_argument("--dma", metavar="PLACE", help="those of an AXI DMA engine, with --registers")
    parser.add_argument("--buffer", metavar="DEVICE", default=Memory.buffer,
        help="memory for it, by u-dma-buf (default: %(default)s)")
    parser.add_argument("--images", type=whole(1), metavar="N",
        help="number of images (default: 100; of --input, all)")
    parser.add_argument("--input", type=Path, metavar="FILE",
        help="images of your own: .npz (arrays images, labels), .npy, IDX, PNG, or a folder of PNGs "
             "(default: test images of its data set, or else of MNIST, that come with the project)")
    parser.add_argument("--passes", type=whole(1), metavar="T",
        help="stochastic forward passes of an image (default: those of the build)")
    parser.add_argument("--baud", type=whole(1),
        help="bits per second of the serial port (default: those of the build)")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="write all arrays of the answer to FILE (.npz)")
    parser.add_argument("--check", action="store_true",
        help="compare each bit with the golden model")
    parser.add_argument("--random-seed", type=whole(1, 2**64 - 1), metavar="N",
        help="start of the random stream (default: that of the build)")
    parser.add_argument("--confidence", type=_share(1), metavar="P",
        help="probability from which on a pass is confident (default: that of the build)")
    parser.add_argument("--agreement", type=whole(1, 100), metavar="PERCENT",
        help="per cent of the passes in which a class must be confident, or the image is rejected "
             "(default: those of the build)")
    parser.add_argument("--hits", type=_share(MOST_HITS), default=0.0, metavar="X",
        help="share of the bytes of the simulated line that are lost, doubled or changed (default: "
             "%(default)s)")
    parser.add_argument("--seed", type=whole(0), default=1,
        help="which bytes these are (default: %(default)s)")
    args = parser.parse_args(arguments)
    if bool(args.registers) != bool(args.dma):
        parser.error("arguments --registers and --dma need each other")
    if args.baud and not args.port:
        parser.error("--baud is for a serial port, --port; a simulated line has the baud rate of the "
                     "build, and AXI has none")
    if args.hits and not args.virtual:
        parser.error("--hits is for a simulated line, --virtual; a board has a line of its own")
    if args.out and args.out.suffix.lower() != ".npz":
        parser.error(f"argument --out: must end with .npz, not {args.out.name!r}")
    return args


def _port(args):
    if args.registers:
        return Memory(args.registers, args.dma, args.buffer)
    return Overlay(args.overlay) if args.overlay else args.port


def _share(most):
    """A type of arguments: a number from 0 to ``most``."""
    def convert(text):
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from 0 to {most:g}, not {text!r}")
        return value

    return convert


def _settings(args):
    return {"seed": args.random_seed, "confidence": args.confidence, "agreement": args.agreement}


def _network(directory):
    try:
        return load((directory / "ir.json").read_text())
    except OSError as error:
        raise HostError(f"Folder {directory} has no ir.json that can be read ({error.strerror}); name the "
                        "output folder of a build") from None


def _images(args, network):
    if args.input:
        images = read_images(args.input, network)
    else:
        images = Images(*(data_set(network.data).sample or load_sample)()).without_other_labels(network)
        if images.pixels.shape[1:] != network.input.shape:
            raise HostError(f"Network of {args.directory} takes images of "
                            f"{' x '.join(map(str, network.input.shape))}, and those of MNIST are 28 x 28; "
                            "name images of your own with --input FILE")
    count = args.images or (len(images) if args.input else 100)
    if count > len(images):
        raise HostError(f"Images must be from 1 to {len(images)}, not {count}")
    return images.first(count)


def _report(accelerator, found, images, seconds):
    """What is printed."""
    line = accelerator.line
    report = {"images": len(images)}
    if images.labels is not None:
        report["accuracy"] = f"{(found.classes == images.labels).mean():.4f}"
    if isinstance(found, Predictions):
        report["rejected"] = int(found.rejected.sum())
    report |= {
        "images/s": f"{len(images) / seconds:.3g}",
        "bytes_of_pixels/s": f"{images.pixels.size / seconds:.6g}",
        "bytes_of_results/s": f"{found.record.nbytes / seconds:.6g}"}
    if line:
        report |= {
            "bytes_sent, received": f"{line['sent']}, {line['received']}",
            "requests_made_again": line["again"],
            "frames_wrong_at_board, host": f"{line['bad_there']}, {line['bad_here']}"}
    return report


def differing(found: Predictions | Numbers, network, images: np.ndarray, passes: int,
              first: int = 0) -> np.ndarray:
    """Return whether each image differs in any bit from the golden model, bool (N,), where ``first`` images
    were before."""
    golden, record = answer(network, images, passes, first).prediction, found.record
    flags = np.zeros(record.shape, np.uint32)
    flags.reshape(len(flags), -1)[:, -1] = 1 # of the record that is the last one
    flags    += 2 * golden.reject[..., None].astype(np.uint32)
    different = np.zeros(len(images), bool)
    for name, wanted in (("sum", golden.sums), ("square", golden.squares), ("votes", golden.votes),
                         ("confident", golden.confident), ("prediction", golden.prediction[..., None]),
                         ("passes", passes), ("flags", flags)):
        different |= (record[name] != wanted).reshape(len(images), -1).any(1)
    return different


def _write(path, found):
    with replacing(path) as file:
        np.savez_compressed(file, **{field.name: getattr(found, field.name) for field in fields(found)})


if __name__ == "__main__":
    raise SystemExit(main())
