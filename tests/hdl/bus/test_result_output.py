# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.lib import data

from hdl.bus.result_output import ResultOutput, packet_layout, record_layout
from hdl.head.result import result_layout
from sim.component import transfer


CLASSES, PASSES = 3, 300


def random_words(images):
    """Words of results, all fields of them at random."""
    layout, rng = result_layout(CLASSES, PASSES), random.Random(0)
    return [layout.const({name: rng.getrandbits(data.Layout.cast(layout)[name].width)
                          for name, _ in layout} | {"last": place == CLASSES - 1})
            for _ in range(images) for place in range(CLASSES)]


def result_output(words, marks, width):
    """Golden function: the beats that leave."""
    beats, image = [], 0
    for word in words:
        flags  = word.last + 2 * word.reject + 4 * word.error + 8 * marks[image]
        record = b"".join(value.to_bytes(size, "little") for value, size in (
            (word.square, 8), (word.sum, 4), (word.votes, 4), (word.confident, 4), (word.prediction, 4),
            (word.passes, 4), (flags, 4)))
        lanes = width // 8
        beats += [(int.from_bytes(record[place:place + lanes], "little"),
                   int(word.last and place + lanes == len(record)))
                  for place in range(0, len(record), lanes)]
        image += word.last
    return beats


@pytest.mark.parametrize("duty", [1.0, 0.5, {"o": 0.3}, {"marks": 0.1}], ids=str)
@pytest.mark.parametrize("width", [8, 32, 128, 256])
def test_records(width, duty):
    words = random_words(6)
    marks = [1, 0, 0, 1, 1, 0]
    beats = result_output(words, marks, width)
    passed = transfer(ResultOutput(CLASSES, PASSES, width=width),
                      {"i": [word.as_bits() for word in words], "marks": marks}, {"o": len(beats)},
                      duty=duty)
    layout = packet_layout(width)
    came   = [layout.from_bits(word) for word in passed["o"].words]
    assert [(beat.data, beat.last) for beat in came] == beats


@pytest.mark.parametrize("width, cycles", [(256, 1), (128, 2), (32, 8)])
def test_timing(width, cycles):
    words  = random_words(2)
    passed = transfer(ResultOutput(CLASSES, PASSES, width=width),
                      {"i": [word.as_bits() for word in words], "marks": [0, 0]},
                      {"o": 6 * record_layout().size // width})
    assert passed["i"].cycles == [cycles * place for place in range(6)]
    assert passed["o"].cycles == [ResultOutput.latency + cycle for cycle in range(6 * cycles)]


def test_refuses():
    with pytest.raises(ValueError) as error:
        ResultOutput(3, 5, width=96)
    assert str(error.value) == "Width must divide a record of 256 bits into bytes, not 96"
