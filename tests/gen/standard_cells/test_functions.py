import itertools

import pytest

from gen.standard_cells.functions import FunctionError, evaluator, inputs_of


@pytest.mark.parametrize("text, same", [
    ("!(A & B)", lambda a, b, c: not (a and b)), ("A' B + C", lambda a, b, c: (not a and b) or c),
    ("(A B)'", lambda a, b, c: not (a and b)), ("A ^ B * C", lambda a, b, c: a ^ (b and c)),
    ("A | B & !C", lambda a, b, c: a or (b and not c)), ("!!A", lambda a, b, c: a),
    ("A + 1", lambda a, b, c: True), ("A 0", lambda a, b, c: False), ("A''", lambda a, b, c: a),
    ("!A&B|A&!B", lambda a, b, c: a ^ b)])
def test_functions(text, same):
    for a, b, c in itertools.product((0, 1), repeat=3):
        assert evaluator(text)({"A": -a, "B": -b, "C": -c}) & 1 == bool(same(a, b, c)), (a, b, c)


def test_inputs():
    assert inputs_of("!(A1 & A[2]) + CI 1") == {"A1", "A[2]", "CI"}


@pytest.mark.parametrize("text", ["", " ", "A &", "(A", "A)", "& A", "A # B", "A | | B", "!"])
def test_what_is_no_function(text):
    with pytest.raises(FunctionError):
        evaluator(text)
