"""Constants of a graph of QONNX: those of the file, and what its nodes compute of constants alone, in the
types of the file."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gen.bounds import ROUNDINGS
from gen.check_shapes import LEVEL_BITS
from gen.qonnx_maps import Refused


__all__ = ["Constants", "Weights", "attributes", "quantizer_range", "single"]


#: Nodes of standard ONNX that are evaluated where all that they take is constant; those of the second line
#: move numbers and do not change them.
_COMPUTED = {"Add", "Cast", "Concat", "Constant", "Div", "Gather", "Mul", "Neg", "Pow", "Sqrt", "Sub"}
_MOVED    = {"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}

#: The roundings of weights, as :data:`gen.bounds.ROUNDINGS` has those of activations.
_ROUND = {
    "ROUND":     np.round,
    "HALF_EVEN": np.round,
    "HALF_UP":   lambda values: np.sign(values) * np.floor(abs(values) + 0.5),
    "HALF_DOWN": lambda values: np.sign(values) * np.ceil(abs(values) - 0.5),
    "FLOOR":     np.floor,
    "CEIL":      np.ceil,
    "UP":        lambda values: np.sign(values) * np.ceil(abs(values)),
    "DOWN":      np.trunc,
}


@dataclass(frozen=True)
class Weights:
    """Constants that a quantizer made: whole ``numbers`` times ``scale``, of the same shape."""

    numbers: np.ndarray
    scale: np.ndarray


class Constants(dict):
    """Arrays, and what quantizers made of them, :class:`Weights`, by the names that the graph has for them.

    Methods, and the functions below, raise :exc:`gen.qonnx_maps.Refused` where a node cannot be built.
    """

    def __init__(self, graph, opsets):
        from onnx import numpy_helper

        super().__init__({each.name: numpy_helper.to_array(each) for each in graph.initializer})
        self._opsets = opsets

    def fold(self, node):
        """Add what ``node`` computes, which takes nothing but constants."""
        given = [self[each] for each in node.input if each]
        if node.op_type in ("Quant", "IntQuant", "BipolarQuant"):
            result = self._quantized(node)
        elif node.op_type in _MOVED and given and isinstance(given[0], Weights):
            first, *others = given
            result = Weights(*(self._evaluate(node, [array, *others])
                               for array in (first.numbers, first.scale)))
        elif node.op_type in _COMPUTED | _MOVED:
            result = self._evaluate(node, [each.numbers * each.scale if isinstance(each, Weights) else each
                                           for each in given])
        else:
            raise Refused("computes a constant", "fold constants before the export")
        self[node.output[0]] = result

    def _evaluate(self, node, given):
        from onnx import helper, numpy_helper, reference

        names = [name for name in node.input if name]
        alone = helper.make_model(helper.make_graph(
            [node], "constant", [], [helper.make_empty_tensor_value_info(node.output[0])],
            [numpy_helper.from_array(array, name) for name, array in zip(names, given, strict=True)]),
            opset_imports=self._opsets)
        try:
            return np.asarray(reference.ReferenceEvaluator(alone).run(None, {})[0])
        except Exception as error: # whatever its functions make of what the file has
            raise Refused(f"cannot be evaluated ({' '.join(str(error).split())[:120]})",
                           "fold constants before the export") from None

    def _quantized(self, node):
        """Return the weights that a quantizer makes of constants, computed in their type."""
        values = self.array(node, 0)
        if node.op_type == "BipolarQuant":
            scale, numbers = self.array(node, 1), np.where(values >= 0, 1, -1)
        else:
            scale, zero, bits = (self.array(node, place) for place in (1, 2, 3))
            first, last, rounding = quantizer_range(node, bits)
            with np.errstate(all="ignore"):
                places = values / scale + zero
            if first is None:
                numbers = np.where(places >= 0, 1, -1) - zero
            else:
                numbers = np.clip(_ROUND[rounding](places), first, last) - zero
        if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
            raise Refused("makes weights that are no whole multiples of its scale",
                           "quantize weights with a whole zero point")
        return Weights(numbers.astype(np.int64), np.broadcast_to(scale, numbers.shape))

    def array(self, node, place: int) -> np.ndarray:
        """Return the constant that ``node`` takes at this place, as finite numbers."""
        name = node.input[place] if place < len(node.input) else ""
        if name not in self:
            raise Refused(f"has no constant for its input {place}", "export a graph with constants there")
        found = self[name]
        found = found.numbers * found.scale if isinstance(found, Weights) else found
        if found.dtype.kind not in "fiu" or not found.size or not np.isfinite(found).all():
            raise Refused(f"takes {name!r}, which are not finite numbers", "train it again")
        return found


def single(array: np.ndarray, what: str) -> Fraction:
    """Return the only number that ``array`` has, wherever it stands; ``what`` it has is for a message."""
    if not (array == array.flat[0]).all():
        raise Refused(f"has {what} that differ", "only those of weights and sums may, between output "
                       "channels")
    return Fraction(array.flat[0].item())


def quantizer_range(node, bits: np.ndarray) -> tuple[int | None, int | None, str]:
    """Return the least and the largest number of a quantizer, and its rounding. None for the least: it
    takes the sign."""
    bits = float(single(bits, "bits"))
    settings = {"signed": 1, "narrow": 0, "rounding_mode": b"ROUND"} | attributes(node)
    rounding = settings["rounding_mode"].decode().upper()
    if bits != int(bits) or not 1 <= bits <= LEVEL_BITS:
        raise Refused(f"has {bits:g} bits", f"quantize to 1 to {LEVEL_BITS} whole bits")
    if rounding not in ROUNDINGS:
        raise Refused(f"rounds by {rounding!r}", f"round by one of {', '.join(ROUNDINGS)}")
    signed, narrow, bits = bool(settings["signed"]), bool(settings["narrow"]), int(bits)
    if signed and bits == 1:
        return None, None, rounding
    if signed:
        return narrow - 2**(bits - 1), 2**(bits - 1) - 1, rounding
    return 0, 2**bits - 1 - narrow, rounding


def attributes(node) -> dict:
    """Return the attributes that ``node`` has, by name."""
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
