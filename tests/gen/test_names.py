import pytest

from gen.names import identifier


@pytest.mark.parametrize("name, expected", [
    ("conv1", "conv1"), ("features.0", "features_0"), ("/conv/MatMul", "conv_MatMul"), ("fc 1", "fc_1"),
    ("a__b_", "a_b"), ("größe", "gr_e"), ("层", ""), ("__", ""), ("1x1", "1x1"), ("always", "always"),
    ("x\u0661", "x"), # a digit, but none of ASCII
])
def test_identifier(name, expected):
    assert identifier(name) == expected
    assert identifier(expected) == expected
