from dataclasses import fields

import numpy as np
import pytest

from gen.ir import Head
from gen.precision import guard_bits, worst_error
from golden.head import Prediction, answers_of, average, join, softmax


HEAD = Head()


def float_softmax(y):
    power = np.exp(y - y.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def error(z, head, off=0.0):
    """Largest difference of a probability, for exact logits ``z`` in powers of two that reach the head
    with the errors ``off``, which are then rounded."""
    logits = np.floor((z + off) * 2**head.fraction + 0.5).astype(np.int64)
    probabilities = softmax(logits, head)
    assert probabilities.sum(-1).max() < 65536
    return abs(probabilities / 65536 - float_softmax(z * np.log(2))).max()


def by_definition(logits, head=HEAD):
    """The text of :class:`gen.ir.Head` for one pass, in Python integers."""
    size, powers = 2**head.fraction, []
    for logit in logits:
        d = max(logits) - logit
        powers.append(round(2 ** (16 + head.guard) * 2 ** (-(d % size) / size)) >> d // size)
    reciprocal = (2**34 - 1) // (sum(powers) >> head.guard)
    return [((power >> head.guard) * reciprocal) >> 18 for power in powers]


@pytest.mark.parametrize("head", [HEAD, Head(guard=1), Head(fraction=4), Head(fraction=1, guard=7),
                                  Head(guard=30)])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_definition(head, classes):
    rng = np.random.default_rng(0)
    for spread in (1, 20, 300, 5000, 100000):
        logits = rng.integers(-spread, spread + 1, (50, classes))
        assert softmax(logits, head).tolist() == [by_definition(row, head) for row in logits.tolist()]


@pytest.mark.parametrize("scaled", [0.0, 1e-4, 3e-4])
@pytest.mark.parametrize("classes", [2, 3, 10, 11, 12, 257, 1000, 4096])
def test_error(classes, scaled):
    """Random logits are within the bound, and the worst ones come near it."""
    head  = Head(guard=guard_bits(classes))
    bound = worst_error(head, classes, scaled)
    rng   = np.random.default_rng(1)
    count = max(50, 50_000 // classes)
    assert max(error(rng.normal(0, spread, (count, classes)), head,
                     rng.uniform(-scaled, scaled, (count, classes)))
               for spread in (0.001, 0.1, 1, 4, 16, 60)) <= bound

    # Two a bit apart that become equal; the rest is nothing.
    halves = np.full((1, classes), -100.0)
    halves[0, :2] = 0.4999 / 2**head.fraction + scaled
    halves[0, 1] *= -1
    off = -np.sign(halves) * scaled
    # One is sure, and each of the others is just so small that nothing is left of it.
    sure = np.full((1, classes), -(16 + head.guard) - 0.5001 / 2**head.fraction)
    sure[0, 0] = 0
    worst = max(error(halves, head, off), error(sure, head))
    assert bound / 2 < worst <= bound


def test_error_of_two_classes_everywhere():
    below = np.arange(20 << HEAD.fraction) / 2**HEAD.fraction
    for off in (0, 0.4999, -0.4999):
        assert error(np.stack([np.zeros_like(below), off / 2**HEAD.fraction - below], -1), HEAD) <= (
            worst_error(HEAD, 2, 0.0))


def test_many_classes_share_what_there_is():
    """As many as would each be too small to count beside the first are half of all together."""
    head   = Head(guard=guard_bits(65537))
    logits = np.full((1, 65537), -16 << head.fraction)
    logits[0, 0] = 0
    assert softmax(logits, head)[0, 0] == 32767


def test_equal_logits():
    for classes in (2, 3, 10, 1000):
        head = Head(guard=guard_bits(classes))
        assert softmax(np.full(classes, -123), head).tolist() == [65535 // classes] * classes


def test_sure_of_one_class():
    far = 17 << HEAD.fraction
    assert softmax(np.array([far, 0, 0]), HEAD).tolist() == [65535, 0, 0]
    assert softmax(np.array([0, far, 0]), HEAD).tolist() == [0, 65535, 0]
    assert softmax(np.array([16 << HEAD.fraction, 0]), HEAD).tolist() == [65535, 0]
    assert softmax(np.array([15 << HEAD.fraction, 0]), HEAD).tolist() == [65534, 1]


def test_extreme_logits():
    ends = np.array([2**31 - 1, -2**31, 0])
    for head in (HEAD, Head(guard=30)):
        assert softmax(ends, head).tolist() == [65535, 0, 0]
        assert softmax(ends[::-1], head).tolist() == [0, 0, 65535]


def test_shape_is_kept():
    logits = np.zeros((2, 3, 4, 5), dtype=np.int64)
    assert softmax(logits, HEAD).shape == (2, 3, 4, 5)
    assert softmax(logits, HEAD).dtype == np.uint32


def test_average():
    probabilities = np.array([[[60000, 5000, 500], [1000, 62260, 2000], [30000, 30000, 5535]]])
    result = average(probabilities.astype(np.uint32), HEAD)
    assert result.passes == 3
    assert result.sums.tolist() == [[91000, 97260, 8035]]
    assert result.squares.tolist() == [[
        60000**2 + 1000**2 + 30000**2, 5000**2 + 62260**2 + 30000**2, 500**2 + 2000**2 + 5535**2]]
    assert result.votes.tolist() == [[2, 1, 0]]     # the lowest index of equal probabilities
    assert result.confident.tolist() == [[0, 1, 0]] # at the threshold is confident
    assert result.prediction.tolist() == [1]
    assert result.reject.tolist() == [True]


def test_equal_sums_give_the_lowest_class():
    probabilities = np.array([[[100, 300, 200], [300, 100, 200]]])
    assert average(probabilities, HEAD).prediction.tolist() == [0]


@pytest.mark.parametrize("passes, confident, reject", [
    (1, 0, True), (1, 1, False), (20, 17, True), (20, 18, False), (10, 8, True), (10, 9, False),
    (7, 6, True), (7, 7, False), (32, 28, True), (32, 29, False)])
def test_reject_below_nine_tenths(passes, confident, reject):
    probabilities = np.full((1, passes, 2), 30000)
    probabilities[0, :confident, 1] = HEAD.confidence
    probabilities[0, confident:, 1] = HEAD.confidence - 1
    assert average(probabilities, HEAD).reject.tolist() == [reject]


@pytest.mark.parametrize("agreement, passes, confident, reject", [
    (99, 10, 9, True), (99, 10, 10, False), (99, 100, 98, True), (99, 100, 99, False),
    (99, 200, 197, True), (99, 200, 198, False), (100, 7, 6, True), (100, 7, 7, False),
    (1, 10, 0, True), (1, 10, 1, False)])
def test_agreement(agreement, passes, confident, reject):
    """As many passes as ``ceil(agreement * T / 100)`` must be confident (SpinBayes, 4.1)."""
    head = Head(confidence=58982, agreement=agreement)
    probabilities = np.full((1, passes, 2), 30000)
    probabilities[0, :confident, 1] = 58982
    assert average(probabilities, head).reject.tolist() == [reject]


@pytest.mark.parametrize("passes", [1, 9, 10, 19, 20, 29, 30, 70, 100])
def test_reject_is_the_quantile_test(passes):
    """Scale-Dropout, eq. 26, to the letter: in distribution is an image for some class of which the 10 %
    quantile of the passes reaches 0.95. No more than 10 % of the passes are below that quantile."""
    def quantile(values):
        return max(value for value in values if 10 * (values < value).sum() <= passes)

    rng = np.random.default_rng(5)
    confident = rng.random((100, passes, 3)) < np.array([0.92, 0.88, 0.1])
    probabilities = np.where(confident, HEAD.confidence, HEAD.confidence - 1)
    expected = [max(quantile(single[:, k]) for k in range(3)) < HEAD.confidence for single in probabilities]
    assert average(probabilities, HEAD).reject.tolist() == expected
    assert 0 < sum(expected) < 100


def test_confident_passes_of_two_classes_do_not_add_up():
    probabilities = np.zeros((1, 20, 2))
    probabilities[0, :10, 0] = probabilities[0, 10:, 1] = 65535
    assert average(probabilities, HEAD).reject.tolist() == [True]


def test_sums_hold_many_passes():
    result = average(np.full((1, 1000, 2), 65535, dtype=np.uint32), HEAD)
    assert result.sums.tolist() == [[65535000] * 2]
    assert result.squares.tolist() == [[65535**2 * 1000] * 2]


def test_variance():
    """That of the passes (Scale-Dropout, eq. 21); exactly 0 where all agree, and never below."""
    single = np.random.default_rng(0).integers(0, 65536, (50, 33, 4))
    single[:25] = single[:25, :1]
    variance = average(single, HEAD).variance
    assert variance == pytest.approx((single / 65536).var(1), abs=1e-12)
    assert (variance[:25] == 0).all() and (variance >= 0).all()


@pytest.mark.parametrize("per_image", [False, True])
def test_join(per_image):
    """Parts are as the whole, with one T for all images or an array of T."""
    single = np.random.default_rng(0).integers(0, 65536, (9, 5, 3))

    def predicted(part):
        made = average(single[part], HEAD)
        return Prediction(*(np.full(len(single[part]), 5) if per_image and field.name == "passes"
                            else getattr(made, field.name) for field in fields(Prediction)))

    joined, whole = join([predicted(slice(0, 4)), predicted(slice(4, 9))]), predicted(slice(0, 9))
    for field in fields(Prediction):
        assert np.array_equal(getattr(joined, field.name), getattr(whole, field.name))


def test_numbers_of_a_regression():
    """Mean and variance are of the numbers, also where they are negative or held at an end of their words;
    no image is rejected."""
    head    = Head(fraction=3, confidence=0, regression=True)
    numbers = np.array([[[-40, 7], [8, 7], [-1, 7], [0, 7]], [[40_000, -40_000]] * 4])
    words   = answers_of(numbers, head)
    assert words[1].tolist() == [[65535, 0]] * 4 and words[0, 0].tolist() == [2**15 - 40, 2**15 + 7]
    found = average(words, head)
    held  = numbers.clip(-2**15, 2**15 - 1) / 8
    assert found.regression and not found.reject.any()
    assert (found.mean == held.mean(1)).all()
    np.testing.assert_allclose(found.variance, held.var(1), atol=1e-6)
    both = join([found, found])
    assert (both.mean == np.concatenate([found.mean] * 2)).all() and both.unit == 8
    assert not average(answers_of(numbers, Head()), Head()).regression
