# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.input.word_splitter import WordSplitter, word_layout
from sim.compare.packing import pack
from sim.component import transfer


def words_of(images, per_word, *, width, passes, most):
    """The words of ``images``, lists of pixels, each with the number of ``passes`` of its image."""
    layout, filling = word_layout(width, per_word, most), (1 << width) - 1
    for image, count in zip(images, passes, strict=True):
        for first in range(0, len(image), per_word):
            word = image[first:first + per_word]
            word += [filling] * (per_word - len(word))
            yield layout.const({"pixels": pack(word, width), "passes": count}).as_bits()


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("pixels, per_word", [(6, 3), (7, 3), (1, 1), (4, 1), (2, 5), (1, 4)])
def test_sends_the_pixels_of_each_image(pixels, per_word, duty):
    rng    = random.Random(1)
    images = [[rng.randrange(16) for _ in range(pixels)] for _ in range(5)]
    dut    = WordSplitter(pixels, width=4, per_word=per_word, passes=6)
    seen   = []

    async def watch(ctx):
        while True:
            *_, valid, ready, passes = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.passes)
            if valid and ready:
                seen.append(passes)

    words  = list(words_of(images, per_word, width=4, passes=range(2, 7), most=6))
    passed = transfer(dut, {"i": words}, {"o": 5 * pixels}, duty=duty, processes=[watch])
    assert passed["o"].words == sum(images, [])
    assert seen == [count for count in range(2, 7) for _ in range(pixels)]


@pytest.mark.parametrize("per_word, step", [(4, 1), (2, 1), (1, 2)])
def test_timing(per_word, step):
    words  = list(words_of([list(range(8))] * 3, per_word, width=4, passes=[1] * 3, most=1))
    passed = transfer(WordSplitter(8, width=4, per_word=per_word, passes=1), {"i": words}, {"o": 24})
    assert passed["o"].cycles == [WordSplitter.latency + step * pixel for pixel in range(24)]


@pytest.mark.parametrize("pixels, per_word, message", [
    (0, 1, "Pixels of an image must be at least 1, not 0"),
    (1, 0, "Pixels of a word must be at least 1, not 0"),
])
def test_refuses(pixels, per_word, message):
    with pytest.raises(ValueError, match=message):
        WordSplitter(pixels, width=4, per_word=per_word, passes=1)
