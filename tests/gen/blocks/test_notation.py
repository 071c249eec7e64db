import pytest
from amaranth.hdl import signed, unsigned

from gen.blocks.notation import MOST, NotationError, value_of
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice


@pytest.mark.parametrize("text, value", [
    ("4", 4), ("-4", -4), ("0x1F", 31), ("None", None), ("True", True), (" 'a' ", "a"),
    ("signed(8)", signed(8)), ("unsigned(3)", unsigned(3)), ("range(-4, 5)", range(-4, 5)),
    ("(1, 2)", (1, 2)), ("[[1], [2, -3]]", [[1], [2, -3]]), ("[[0] * 2] * 3", [[0, 0]] * 3),
    ('{"gain": 3, "offset": -1}', {"gain": 3, "offset": -1}),
    ("Mix(3, channels=3)", Mix(3, 3)), ("(Choice((0, 1)), Choice((0, 1, 2), draw=None))",
                                        (Choice((0, 1)), Choice((0, 1, 2), None))),
])
def test_values(text, value):
    assert value_of(text) == value and type(value_of(text)) is type(value)


def test_what_is_printed_can_be_typed():
    for value in (signed(8), range(3), (Choice((0, 1)), Choice((1, 0), draw=None)), Mix(8, 8)):
        assert value_of(repr(value)) == value


def test_from_a_file(tmp_path):
    (tmp_path / "words").write_text("[[1,\n  2]]\n")
    assert value_of(f"@{tmp_path / 'words'}") == [[1, 2]]
    (tmp_path / "words").write_bytes(b"\xff")
    for name, reason in (("words", "it is no text"), ("none", "No such file or directory")):
        with pytest.raises(NotationError) as error:
            value_of(f"@{tmp_path / name}")
        assert str(error.value) == f"file {str(tmp_path / name)!r} cannot be read ({reason})"


@pytest.mark.parametrize("text", [
    "", "signed(", "open('x')", "__import__('os')", "signed(8).width", "a", "1 + 1", "[0 for x in 'a']",
    "2 ** 9", "lambda: 0", "signed(x=1)", "signed(*[1])", "range('a')", "1.5", "3 * [1]", "[1] * [1]",
    "-(1, 2)", "1; 2", "{**{}}",
    "(" * 1000, f"[0] * {MOST + 1}", f"[[0] * {MOST}] * 2 * {MOST}", "signed(-1)",
])
def test_what_is_no_value(text):
    with pytest.raises(NotationError) as error:
        value_of(text)
    assert len(str(error.value).splitlines()) == 1
