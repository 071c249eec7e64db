"""Write docs/supported.md, what can be in a network, from the code: ``python -m spincim.supported``."""

from pathlib import Path

from gen.checkpoint_file import SHIPPED
from gen.command import Parser, command
from gen.description import TABLES
from gen.files import replacing
from gen.from_qonnx import NODES
from gen.from_qonnx import WAYS_OUT as REFUSED_NODES
from gen.methods import METHODS, known_names, name_of
from gen.networks import NETWORKS
from golden.methods.checkpoints import CONVOLUTIONS
from spincim.from_torch import MODULES
from spincim.from_torch import WAYS_OUT as REFUSED_MODULES


__all__ = ["main", "page"]


def page() -> str:
    """Return the page ``docs/supported.md``."""
    known = set(known_names())
    networks = [[f"`{base}`", str(len(network.layers)), str(len(network.joins)), f"{_weights(network):,}",
                 _codes(method for method in METHODS
                        if (SHIPPED / f"{name_of(base, method)}.npz").exists()),
                 _codes(method for method in METHODS if name_of(base, method) not in known)]
                for base, network in NETWORKS.items()]
    modules = sorted(f"`{_module(kind)}`" for kind in MODULES)
    layers  = sorted(f"`{kind.__name__}`" for kind in CONVOLUTIONS.values())
    lines   = [
        "# What is supported", "",
        "All that can be in a network, as the code has it. This page is written by `python -m "
        "spincim.supported`; do not", "edit it. How each thing is used: "
        "[networks in files](network-files.md), [other frameworks](other-frameworks.md).", "",
        "## Networks of the project", "",
        *_table(["network", "layers", "joins", "weights", "checkpoints", "not for"], networks), "",
        "## In a description", "",
        *_table(["table", "key", "must be"], [
            [f"`{table}`" if table else "", f"`{key}`", what[0].lower() + what[1:]]
            for table, keys in TABLES.items() for key, (_, what) in keys.items()]), "",
        "## In a model of PyTorch", "",
        "Modules, where they stand as the page on other frameworks says:", "", f"{', '.join(modules)};", "",
        f"the layers of `golden.methods`: {', '.join(layers)}.", "",
        *_table(["refused", "in its place"], [[f"`{name}`", way] for name, way in sorted(
            REFUSED_MODULES.items())]), "",
        "## In quantized ONNX", "",
        f"Nodes that activations go through: {_codes(NODES)}.", "",
        *_table(["refused", "in its place"], [[f"`{name}`", way] for name, way in sorted(
            REFUSED_NODES.items()) if name not in NODES]), "",
    ]
    return "\n".join(lines)


def _weights(network):
    return sum(layer.fan_in * layer.outputs for layer in network.layers)


def _module(kind):
    return f"{'nn' if kind.__module__.startswith('torch.') else kind.__module__}.{kind.__name__}"


def _codes(names):
    return ", ".join(f"`{name}`" for name in names)


def _table(heads, rows):
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]


@command("spincim.supported")
def main(arguments=None):
    """Write the page."""
    parser = Parser(prog="spincim.supported", description="Write the page of what is supported.")
    parser.add_argument("--out", type=Path, default=Path("docs/supported.md"), metavar="FILE",
                        help="file to write (default: %(default)s)")
    path = parser.parse_args(arguments).out
    with replacing(path) as file:
        file.write(page().encode())
    print(path)


if __name__ == "__main__":
    raise SystemExit(main())
