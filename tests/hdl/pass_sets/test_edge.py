# amaranth: UnusedElaboratable=no

import random
import re

import pytest

from hdl.pass_sets.edge import Edge
from hdl.pass_sets.map_buffer import WordFetcher
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice, pass_layout, pass_set_layout
from sim.component import transfer


def set_of(passes, members, last, choice=0, choices=1):
    return pass_set_layout(passes, choices).const(
        {"set": members, "last": last, "choice": choice}).as_bits()


def one_by_one(words, passes):
    """An edge in front of a layer that passes enter one after another."""
    return Edge(4, words=words, lanes=1, passes=passes, early=Choice(tuple(range(passes)), draw=None),
                depth=2, by_credit=False)


def make_images(words, passes, count):
    """Sets of all passes, words, and what leaves: the words of each pass, and its set."""
    rng = random.Random(0)
    images = [passes, 1, *(1 + number % passes for number in range(count - 2))]
    maps = [[rng.getrandbits(4) for _ in range(words)] for _ in images]
    leaving = [word for image, number in zip(maps, images, strict=True) for word in image * number]
    sets = [set_of(passes, 1 << number, number == image - 1, number, passes)
            for image in images for number in range(image)]
    entering = [set_of(passes, (1 << image) - 1, 1) for image in images]
    return entering, [word for image in maps for word in image], leaving, sets


SHAPES = [(4, 5), (5, 3), (1, 4), (3, 1), (1, 1)]


@pytest.mark.some(20)
@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"o_sets": 100}, {"i_sets": 100}])
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("words, passes", SHAPES)
def test_one_pass_after_another(words, passes, duty, starts):
    images, entering, leaving, sets = make_images(words, passes, 8)
    passed = transfer(one_by_one(words, passes), {"i_sets": images, "i": entering},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets


@pytest.mark.parametrize("words, passes", [(4, 5), (7, 1), (5, 3)])
def test_timing(words, passes):
    """With several words and passes the output never pauses; each set comes as its first word is read."""
    _, entering, _, _ = make_images(words, passes, 8)
    maps   = 8 * passes
    passed = transfer(one_by_one(words, passes),
                      {"i_sets": [set_of(passes, (1 << passes) - 1, 1)] * 8, "i": entering},
                      {"o": maps * words, "o_sets": maps})
    assert passed["i"].cycles[:2 * words] == list(range(2 * words))
    begin = words - 1 + Edge.latency
    assert passed["o"].cycles[0] == begin
    if passes > 1:
        assert passed["o"].cycles == list(range(begin, begin + maps * words))
        assert passed["o_sets"].cycles == [cycle - WordFetcher.latency + 1
                                           for cycle in passed["o"].cycles[::words]]


@pytest.mark.some(11)
@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"o_sets": 100}, {"early": 100}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("words, passes, arrays", [(4, 5, 4), (9, 3, 2), (1, 4, 8), (7, 1, 4)])
def test_array_by_array(words, passes, arrays, duty, starts):
    """An image is sent once to each array that a pass has chosen, with all passes that have."""
    rng = random.Random(0)
    images, entering, sets, masks, leaving, leaving_sets = 8, [], [], [], [], []
    for _ in range(images):
        count   = rng.randint(1, passes)
        drawn   = [rng.randrange(arrays) for _ in range(count)]
        image   = [rng.getrandbits(4) for _ in range(words)]
        entering += image
        sets.append(set_of(passes, (1 << count) - 1, 1))
        masks.append(sum((array >> bit & 1) << bit * passes + number
                         for number, array in enumerate(drawn) for bit in range(3)))
        for array in sorted(set(drawn)):
            leaving += image
            leaving_sets.append(pass_set_layout(passes, arrays).const({
                "set": sum(1 << number for number in range(count) if drawn[number] == array),
                "last": array == max(drawn), "choice": array}).as_bits())
    edge   = Edge(4, words=words, lanes=1, passes=passes, early=Choice(tuple(range(arrays))), depth=2,
                  by_credit=False)
    passed = transfer(edge, {"i": entering, "i_sets": sets, "early": masks},
                      {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_parts(duty, apart):
    """A map beside two choices goes once for each combination that passes came to, in their order, without
    an outcome; where each pass goes apart behind the first one, once for each pass of each part."""
    rng, passes, words = random.Random(2), 5, 3
    parts = Choice((0, 1), draw=1), (Choice(tuple(range(passes)), draw=None) if apart else
                                     Choice((2, 0, 1, 1), draw=0))
    edge = Edge(4, words=words, lanes=1, passes=passes, parts=parts, by_credit=False)
    assert edge.drawn == {"part_0": 1} | ({} if apart else {"part_1": 0})
    ports = {"i": [], "i_sets": [], **{name: [] for name in edge.drawn}}
    leaving, leaving_sets = [], []
    for _ in range(12):
        drawn = [(rng.randrange(2), rng.randrange(4)) for _ in range(passes)]
        ports["part_0"].append(sum(bit << place for place, (bit, _) in enumerate(drawn)))
        if not apart:
            ports["part_1"].append(sum((value >> bit & 1) << bit * passes + place
                                       for place, (_, value) in enumerate(drawn) for bit in range(2)))
        keys = [(bit, place if apart else (2, 0, 1, 1)[value]) for place, (bit, value) in enumerate(drawn)]
        word = [rng.getrandbits(4) for _ in range(words)]
        ports["i"] += word
        ports["i_sets"].append(set_of(passes, (1 << passes) - 1, 1))
        for key in sorted(set(keys)):
            leaving += word
            leaving_sets.append(set_of(passes, sum(1 << place for place in range(passes)
                                                   if keys[place] == key), key == max(keys)))
    passed = transfer(edge, ports, {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=duty)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets


def test_parts_of_several_lanes():
    with pytest.raises(ValueError, match="^Edge with parts must have 1 lane and no other choice, not 2$"):
        Edge(4, words=3, lanes=2, passes=4, late=Choice((0, 1)), parts=[Choice((0, 1))])


@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_both_choices(duty):
    """Each lane is sent for each array that passes of its bank have chosen."""
    rng = random.Random(1)
    passes, words = 6, 3
    edge = Edge(4, words=words, lanes=2, passes=passes, late=Choice((0, 1), draw=0),
                early=Choice((0, 1, 2, 2), draw=1), by_credit=False)
    assert edge.drawn == {"late": 0, "early": 1}
    ports = {"i": [], "i_sets": [], "late": [], "early": []}
    leaving, leaving_sets = [], []
    for _ in range(12):
        drawn = [(rng.randrange(2), rng.randrange(4)) for _ in range(passes)]
        ports["late"].append(sum(bank << number for number, (bank, _) in enumerate(drawn)))
        ports["early"].append(sum((number >> bit & 1) << bit * passes + place
                                  for place, (_, number) in enumerate(drawn) for bit in range(2)))
        members = rng.randrange(1, 1 << passes)
        ports["i_sets"].append(set_of(passes, members, 1))
        lanes = [[rng.getrandbits(4) for _ in range(words)] for _ in range(2)]
        ports["i"] += [low | high << 4 for low, high in zip(*lanes, strict=True)]
        parts = {}
        for number, (bank, drawn_number) in enumerate(drawn):
            if members >> number & 1:
                key = bank, min(drawn_number, 2)
                parts[key] = parts.get(key, 0) | 1 << number
        for key in sorted(parts):
            leaving += lanes[key[0]]
            leaving_sets.append(set_of(passes, parts[key], key == max(parts), key[1], 3))
    passed = transfer(edge, ports, {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=duty)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets


@pytest.mark.some(16)
@pytest.mark.parametrize("starts", [{}, {"mix": 150}, {"o": 150}, {"passes": 150}])
@pytest.mark.parametrize("duty", [1.0, 0.3])
@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("words, channels", [(3, 4), (1, 4), (6, 1)])
def test_mix(words, channels, numbered, duty, starts):
    """Two maps are sent once for each pass of their set, each channel from that which the pass has drawn;
    words have all channels, or one each. The layer behind may need the number of the pass."""
    rng, passes, outcomes = random.Random(2), 5, 5 if numbered else 1
    bits = channels if channels > 1 else words
    edge = Edge(4, words=words, lanes=2, passes=passes, mix=Mix(bits, channels), by_credit=False,
                early=Choice(tuple(range(passes)), draw=None) if numbered else None)
    assert edge.drawn == {}
    ports, sent = {"i": [], "i_sets": [], "mix": []}, {"o": [], "o_sets": [], "passes": []}
    width = 4 // channels
    for _ in range(8):
        members, last = rng.randrange(1, 1 << passes), rng.randrange(2)
        banks = [[rng.getrandbits(4) for _ in range(words)] for _ in range(2)]
        ports["i_sets"].append(set_of(passes, members, last))
        ports["i"] += [low | high << 4 for low, high in zip(*banks, strict=True)]
        for number in (one for one in range(passes) if members >> one & 1):
            drawn, final = rng.getrandbits(bits), last and members >> number == 1
            ports["mix"].append(drawn)
            for word in range(words):
                sent["o"].append(sum(
                    banks[drawn >> (channel if channels > 1 else word) & 1][word]
                    & ((1 << width) - 1) << channel * width for channel in range(channels)))
            sent["o_sets"].append(set_of(passes, 1 << number, final, number if numbered else 0, outcomes))
            sent["passes"].append(pass_layout(passes).const(
                {"number": number, "last": final}).as_bits())
    passed = transfer(edge, ports, {name: len(found) for name, found in sent.items()}, duty=duty,
                      starts=starts)
    assert {name: passed[name].words for name in sent} == sent


@pytest.mark.parametrize("options, message", [
    ({"lanes": 3}, "Number of lanes to mix must be 2, without a choice of one, not 3 with None"),
    ({"lanes": 2, "late": Choice((0, 1))},
     "Number of lanes to mix must be 2, without a choice of one, not 2 with Choice(table=(0, 1), draw=0)"),
    ({"lanes": 2, "early": Choice((0, 1))},
     "Early choice behind a mix must send each pass apart, not be Choice(table=(0, 1), draw=0)"),
])
def test_rejects_mixes(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Edge(4, words=2, passes=3, mix=Mix(4, 4), **options)


@pytest.mark.parametrize("early, mix", [
    (None, None), (Choice((0, 1)), None), (Choice((0, 1, 2), draw=None), Mix(4, 4))])
def test_rejects_merged(early, mix):
    with pytest.raises(ValueError, match=re.escape(
            f"Early choice that is merged must send each pass apart, without a mix, not be {early!r} with "
            f"{mix!r}")):
        Edge(4, words=2, lanes=2 if mix else 1, passes=3, early=early, mix=mix, merged=True)


def test_rejects_lanes():
    with pytest.raises(ValueError, match=r"^Number of lanes must be that of the outcomes of "
                                         r"Choice\(table=\(0, 1\), draw=0\), not 3$"):
        Edge(4, words=2, lanes=3, passes=2, late=Choice((0, 1)))
