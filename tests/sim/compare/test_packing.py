import numpy as np
import pytest

from sim.compare.packing import bits, integers, pack, unpack


@pytest.mark.parametrize("values, width, signed", [
    ([1, 2, 3], 4, False), ([-8, 7, 0, -1], 4, True), ([], 3, False), ([2**32 - 1], 32, False)])
def test_packing(values, width, signed):
    assert unpack(pack(values, width), width, len(values), signed=signed) == values


@pytest.mark.parametrize("width", [1, 3, 4, 5, 63, 82])
def test_bits_of_words(width):
    """As Verilog writes them: in hexadecimal, with zeros in front."""
    rng   = np.random.default_rng(width)
    words = [int("".join(map(str, rng.integers(0, 2, width))), 2) for _ in range(20)]
    words += [0, 2**width - 1]
    found = bits(np.array([f"{word:0{-(-width // 4)}x}".encode() for word in words]), width)
    assert found.tolist() == [[word >> bit & 1 for bit in range(width)] for word in words]


def test_no_words():
    assert bits(np.empty(0, "S1"), 7).shape == (0, 7)
    assert integers(bits(np.empty(0, "S1"), 7)).shape == (0,)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [1, 5, 63])
def test_integers(width, signed):
    words = [0, 1, 2**width // 3, 2**width - 1, 2**width // 2]
    every = np.array([[word >> bit & 1 for bit in range(width)] for word in words], np.uint8)
    assert integers(every, signed=signed).tolist() == [
        unpack(word, width, 1, signed=signed)[0] for word in words]
