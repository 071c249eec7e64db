from gen.blocks.docstring import layouts, member, parameters, plain, text_of
from hdl.bus.axi_lite import AxiLite
from hdl.layer.pool import Pool
from hdl.layer.reader import Reader
from hdl.layer.word_packer import WordPacker
from hdl.pass_sets.edge import Edge
from hdl.pass_sets.fork import Fork
from hdl.random.mask_bank import MaskBank


class Documented:
    """Do this: so. Or so.

    More of it.

    Parameters
    ----------
    a, b : int
        Two numbers,
        of a kind. A :exc:`ValueError` is raised
        otherwise.
    c
        See :class:`hdl.layer.pool.Pool`.
    size : tuple
        See :class:`hdl.layer.pool.Pool`; no more.

    Members
    -------
    i : In(stream.Signature(8))
        Words.
    """


def test_parts():
    text = text_of(Documented)
    assert (text.body, text.line) == ("Do this: so. Or so.\n\nMore of it.", "Do this")
    about = text.sections["Parameters"]
    assert about["a"] == about["b"] == (
        "Two numbers,\nof a kind. A :exc:`ValueError` is raised\notherwise.")
    assert parameters(Documented, Documented)["b"] == "Two numbers,\nof a kind."
    assert text.kinds["i"] == "In(stream.Signature(8))"


def test_entries_that_are_those_of_others():
    about = parameters(Documented, Documented)
    assert about["size"] == text_of(Pool).sections["Parameters"]["size"] + " No more."
    assert about["c"] == "See :class:`hdl.layer.pool.Pool`." # which has no such parameter
    assert parameters(Edge, Edge)["words"] == "Words of a map, at least 1."
    assert member(AxiLite, "aw") == "Channels."


def test_members_of_which_there_are_several():
    assert member(Fork, "o_sets_1") == "Pass sets, likewise."
    assert member(MaskBank, "mask_2").startswith("Per output and image")
    assert member(Reader, "nothing") is None


def test_layouts():
    assert set(layouts(Reader)) == {"choice_layout", "read_layout"}
    assert layouts(WordPacker) == {}


def test_plain():
    assert plain("See :class:`hdl.layer.pool.Pool` and :func:`x`, ``2 ** n``") == (
        "See `Pool` and `x`, `2 ** n`")
