import pytest

from gen.energy.readings import PASSES, READINGS, STATED, closest, compared, layers_of, shape_of, stated_for
from gen.methods import network_of


#: Of the layers of LeNet-5 with one channel of pixels: positions, inputs of a kernel, outputs.
LENET5 = [(576, 25, 6), (64, 150, 16), (1, 256, 120), (1, 120, 84), (1, 84, 10)]


def test_shapes_of_lenet5():
    """Binary weights take two rows of 256, and are all read at once."""
    shapes = [shape_of(layer, "scale-dropout") for layer in layers_of("lenet5")]
    assert [(shape.positions, shape.outputs) for shape in shapes] == [
        (positions, outputs) for positions, _, outputs in LENET5]
    assert [shape.reads for shape in shapes] == [576, 2 * 64, 2, 1, 1]
    assert [shape.codes for shape in shapes] == [6 * 576, 2 * 16 * 64, 2 * 120, 84, 10]
    assert [shape.modules for shape in shapes] == [1] * 5


def test_cells_of_several_levels_are_read_four_at_a_time():
    shapes = [shape_of(layer, "spinbayes") for layer in layers_of("lenet5")]
    assert [shape.reads for shape in shapes] == [576 * 7, 64 * 38, 64 * 2, 30 * 2, 21]
    assert [shape.modules for shape in shapes] == [3] * 5


@pytest.mark.parametrize("method, modules", [
    ("spindrop", [25, 150, 256, 120, 84]), ("spatial-spindrop", [1, 6, 16, 120, 84])])
def test_modules_of_masks(method, modules):
    """In all layers, as in Scale-Dropout, Table VII."""
    assert [shape_of(layer, method).modules for layer in layers_of("lenet5")] == modules


def plain(reading, modules):
    """An image of LeNet-5 with binary weights, in pJ, with the numbers of Table II written out."""
    total = 0.0
    for index, ((positions, inputs, outputs), sources) in enumerate(zip(LENET5, modules, strict=True)):
        tiles = -(-2 * inputs // 256)
        for _ in range(positions):
            if reading == "array":
                total += tiles * (0.65 + 4.76) + tiles * outputs * 0.12 + (index < 4) * outputs * 0.01
            elif reading == "column":
                total += tiles * outputs * (0.65 + 4.76 + 0.12) + (index < 4) * outputs * 0.01
            elif reading == "sensed column":
                total += tiles * 0.65 + tiles * outputs * (4.76 + 0.12) + (index < 4) * outputs * 0.01
            elif reading == "position":
                total += 0.65 + 4.76 + 0.12 + 0.01
            elif reading == "position with all circuits":
                total += 0.65 + 4.76 + 0.12 + 0.01 + 18.42 + 3.80
            elif reading == "position with all modules":
                total += 0.65 + 4.76 + 0.12 + 0.01 + 18.42 + sources * 3.80
            elif reading == "position with two bits a module":
                total += 0.65 + 4.76 + 0.12 + 0.01 + 18.42 + 2 * sources * 3.80
        if reading == "layer":
            total += 0.65 + 4.76 + 0.12 + 0.01 + 18.42 + 3.80
        if reading in ("array", "column", "sensed column", "position"):
            total += sources * 3.80
    total += {"array": 10, "column": 10, "sensed column": 10, "position": 1}.get(reading, 0) * 18.42
    return 10 * total


@pytest.mark.parametrize("reading", [reading.name for reading in READINGS])
@pytest.mark.parametrize("method, modules", [
    ("scale-dropout", [1] * 5), ("spindrop", [25, 150, 256, 120, 84])])
def test_readings_against_a_plain_loop(reading, method, modules):
    [stated] = [stated for stated in STATED if (stated.base, stated.method) == ("lenet5", method)]
    found = compared(stated)["readings"][reading]
    assert found["energy_j_per_image"] == pytest.approx(plain(reading, modules) * 1e-12, rel=1e-12)
    assert found["of_stated"] == found["energy_j_per_image"] / stated.joule


def test_no_reading_gives_all_that_is_stated():
    """The closest differs from paper to paper: LeNet-5 and VGG cannot follow from one."""
    found = [compared(stated) for stated in STATED]
    assert {(each["network"], each["method"]): (each["closest"], round(
        each["readings"][each["closest"]]["of_stated"], 3)) for each in found} == {
        ("lenet5", "scale-dropout"): ("position with all circuits", 0.992),
        ("lenet5", "spinbayes"): ("position with two bits a module", 1.138),
        ("lenet5", "sub-set"): ("position with two bits a module", 1.002),
        ("lenet5", "spatial-spindrop"): ("column", 0.491),
        ("lenet5", "spindrop"): ("position with two bits a module", 1.007),
        ("vgg_small", "scale-dropout"): ("position", 0.515)}
    for reading in READINGS:
        shares = [each["readings"][reading.name]["of_stated"] for each in found]
        assert max(shares) / min(shares) > 5
    assert PASSES == 10


def test_closest_is_by_ratio():
    assert closest({"half": 1.0, "thrice": 6.0, "near": 2.5}, 2.0) == "near"
    assert closest({"third": 1.0, "twice": 6.0}, 3.0) == "twice"


def test_what_is_stated_for_a_network():
    assert stated_for(network_of("lenet5")).joule == 0.18e-6
    assert stated_for(network_of("vgg_small")).joule == 0.29e-6
    assert stated_for(network_of("lenet5", "affine")) is None
    assert stated_for(network_of("lenet5_wide")) is None
