"""Quality of the random bits: statistics of the choices and of the predictions, convergence of the mean,
and the effect of bad sources on health tests and uncertainty."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gen.ir import Head, Network
from golden import metrics
from golden.answers import Answers
from golden.head import average, softmax
from golden.network import combination_count, path_probabilities, paths
from golden.random.bad_sources import Source
from golden.random.generator import pass_bits
from golden.random.health import alarm_bit, false_alarms, runs, windows
from golden.random.hypothesis_tests import Test, autocorrelation, counts, independence, normal, rate
from golden.scores import over_passes, report, scores_of


__all__ = [
    "Exact", "bit_tests", "choice_tests", "convergence", "detection", "effects", "false_alarm_tests",
    "output_tests",
]


#: Lags of the autocorrelation: in bits as they are drawn, and in passes of a layer.
BIT_LAGS, PASS_LAGS = 64, 20

#: Lags in passes, of layers that choose among arrays.
ARRAY_LAGS = 5

#: Most combinations of choices whose joint distribution is tested.
PATHS_LIMIT = 1024

#: Least number of averages from which the size of their errors is estimated.
LEAST_BLOCKS = 200

#: Most combinations of choices whose predictions are enumerated and looked up.
LOOK_UP_LIMIT = 64

#: Images per batch.
CHUNK = 500


def bit_tests(name: str, bits: np.ndarray, probability: np.ndarray) -> list[Test]:
    """Test ``bits`` in the order in which they are drawn, the bits of a pass 1 with ``probability``
    (W,): the rate of ones of each bit of a pass, and the autocorrelation of the stream."""
    width = len(probability)
    bits  = bits[:len(bits) // width * width]
    of_bits = np.resize(probability, len(bits))
    return [
        *(rate(f"{name}: rate of bit {bit}", bits[bit::width], float(probability[bit]))
          for bit in range(width)),
        *(autocorrelation(f"{name}: lag of {lag} bits", bits, of_bits, lag)
          for lag in range(1, BIT_LAGS + 1)),
    ]


def choice_tests(name: str, choice: np.ndarray, sizes: tuple[int, ...],
                 shares: list[np.ndarray]) -> list[Test]:
    """Test choices, int (P, L) of P passes one after another; layer l has ``sizes[l]`` outcomes of the
    probabilities ``shares[l]``.

    Tested are, for each layer, the frequencies of the outcomes and their dependence on earlier passes; and
    the independence of each two layers and of all layers.
    """
    tests = []
    for layer, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        drawn = choice[:, layer]
        tests.append(counts(f"{name}: choices of layer {layer}",
                            np.bincount(drawn, minlength=size), share))
        if size == 2:
            tests += [autocorrelation(f"{name}: layer {layer}, lag of {lag} passes", drawn == 1,
                                      float(share[1]), lag) for lag in range(1, PASS_LAGS + 1)]
        else:
            tests += [independence(f"{name}: layer {layer}, lag of {lag} passes", drawn[lag:],
                                   drawn[:-lag], (size, size)) for lag in range(1, ARRAY_LAGS + 1)]
    for second in range(len(sizes)):
        for first in range(second):
            tests.append(independence(f"{name}: layers {first} and {second}", choice[:, first],
                                      choice[:, second], (sizes[first], sizes[second])))
    if np.prod(sizes, dtype=object) <= PATHS_LIMIT:
        joint = shares[0]
        for share in shares[1:]:
            joint = np.multiply.outer(joint, share).ravel()
        seen = np.bincount(np.ravel_multi_index(tuple(choice.T), sizes), minlength=len(joint))
        tests.append(counts(f"{name}: choices of all layers together", seen, joint))
    return tests


@dataclass(frozen=True, slots=True)
class Exact:
    """Exact distribution of a pass over each of N images, by enumeration of all combinations of choices."""

    probabilities: np.ndarray #: uint32 (N, C, K), Q0.16, in the order of network.combinations.
    share: np.ndarray         #: float64 (C,), the probability of each combination.
    head: Head

    @classmethod
    def of(cls, network: Network, images: np.ndarray) -> "Exact":
        """Enumerate uint8 ``images`` (N, H, W). Raises as :func:`golden.network.combinations`."""
        return cls(softmax(paths(network, images), network.head), path_probabilities(network),
                   network.head)

    @property
    def mean(self) -> np.ndarray:
        """The predictive mean, float64 (N, K)."""
        return self.share @ (self.probabilities / 65536)

    @property
    def variance(self) -> np.ndarray:
        """Variance of the probabilities of a pass, float64 (N, K)."""
        return self.moment(2)

    def moment(self, order: int) -> np.ndarray:
        """Return the central moment of ``order`` of the probabilities of a pass, float64 (N, K)."""
        return self.share @ (self.probabilities / 65536 - self.mean[:, None])**order


def output_tests(name: str, results: dict[str, np.ndarray], exact: Exact) -> list[Test]:
    """Test the distribution of R predictions of each of N images, one image after another.

    ``results`` are fields of the result record, as the hardware returns them: ``sum``, ``votes``
    (R * N, K), ``reject``, ``passes`` (R * N,). Passes are independent, so the distribution of each
    figure follows from ``exact``:

    - after one pass the sums are the probabilities of one combination of choices: chi-square test;
    - the votes of all predictions are multinomial: chi-square test;
    - the votes for a class in a prediction are binomial: chi-square test;
    - an image is rejected if no class is confident in enough passes: exact binomial test of the rate;
    - the mean of the sums of each class is normal: normal test.
    """
    from scipy import stats

    images, _, classes = exact.probabilities.shape
    passes = int(results["passes"][0])
    fields = {field: results[field].reshape(-1, images, classes) for field in ("sum", "votes")}
    reject = results["reject"].reshape(-1, images)
    repeats = len(reject)
    tests = []
    for image in range(images):
        title = f"{name}: image {image}"
        possible, which = np.unique(exact.probabilities[image], axis=0, return_inverse=True)
        if passes == 1:
            share = np.append(np.bincount(which.ravel(), exact.share), 0)
            equal = (fields["sum"][:, image, None] == possible).all(-1)
            outcome = np.where(equal.any(1), equal.argmax(1), len(possible)) # the last: an impossible one
            tests.append(counts(f"{title}, outcomes", np.bincount(outcome, minlength=len(share)), share))
            continue
        winner = exact.probabilities[image].argmax(-1)
        share = np.bincount(winner, exact.share, minlength=classes)
        votes = fields["votes"][:, image]
        tests.append(counts(f"{title}, votes", votes.sum(0), share))
        leading = int(share.argmax())
        tests.append(counts(f"{title}, votes of class {leading} in a prediction",
                            np.bincount(votes[:, leading], minlength=passes + 1),
                            stats.binom.pmf(np.arange(passes + 1), passes, min(share[leading], 1))))
        # No two classes can be confident in most passes, so the probabilities add up.
        confident = exact.share @ (exact.probabilities[image] >= exact.head.confidence)
        needed = -(-exact.head.agreement * passes // 100)
        accepted = stats.binom.sf(needed - 1, passes, np.minimum(confident, 1)).sum()
        tests.append(rate(f"{title}, rejected", reject[:, image], float(np.clip(1 - accepted, 0, 1))))
        off = fields["sum"][:, image].mean(0) / (65536 * passes) - exact.mean[image]
        error = np.sqrt(exact.variance[image] / (passes * repeats))
        tests += [normal(f"{title}, mean of class {number}", off[number] / error[number], repeats * passes)
                  for number in np.flatnonzero(error > 0)]
    return tests


def convergence(name: str, means: np.ndarray, passes: int, exact: Exact) -> tuple[dict, list[Test]]:
    """Judge how R means of ``passes`` passes of each of N images, float64 (R, N, K), converge to the exact
    mean.

    The error of an average over independent passes falls as one over the root of their number. For
    averages over more and more predictions, if there are enough of them, the sum of squared errors in
    units of their variance is tested: a normal test with the exact fourth moment of a pass, of the class
    of each image that varies most.
    """
    repeats, images, _ = means.shape
    variance, fourth = exact.variance, exact.moment(4)
    most = variance.argmax(-1)
    image = np.arange(images)
    varies = variance[image, most] > 0
    image, most = image[varies], most[varies]
    points, tests, block = [], [], 1
    while block <= repeats:
        blocks = repeats // block
        averages = means[:blocks * block].reshape(blocks, block, *means.shape[1:]).mean(1)
        off = averages - exact.mean
        count = passes * block
        expected = np.sqrt(variance.mean() / count)
        points.append({"passes": count, "averages": blocks * images,
                       "rms_error": float(np.sqrt((off**2).mean())),
                       "expected_rms_error": float(expected)})
        if blocks * len(image) >= LEAST_BLOCKS:
            square = off[:, image, most]**2 / (variance[image, most] / count)
            excess = fourth[image, most] / variance[image, most]**2 - 3
            spread = np.sqrt(blocks * (2 + excess / count).sum())
            tests.append(normal(f"{name}: size of errors at {count} passes",
                                (square.sum() - square.size) / spread, square.size))
        block *= 4
    logs = [[np.log(point[key]) for point in points if point["averages"] >= LEAST_BLOCKS]
            for key in ("passes", "rms_error")]
    error = np.sqrt(variance / (passes * repeats))
    off = np.divide(means.mean(0) - exact.mean, error, out=np.zeros(error.shape), where=error > 0)
    return {
        "images": images, "passes_per_image": passes * repeats, "points": points,
        "slope": float(np.polyfit(*logs, 1)[0]) if len(logs[0]) > 1 else None,
        "largest_error_standard_errors": float(abs(off).max()),
        "largest_error": float(abs(means.mean(0) - exact.mean).max()),
    }, tests


def detection(sources: dict[str, Source], network: Network, predictions: int, passes: int, streams: int,
              rng: np.random.Generator,
              progress: Callable[[Iterable], Iterable] = iter) -> dict[str, dict]:
    """Return, for each source by name, the share of ``streams`` streams of ``predictions`` predictions that
    raise the alarm of the health tests of ``network``, the share without the difference tests, and the
    median length until the alarm.

    ``progress`` goes around the sources, as :meth:`gen.progress.Progress.bar` does.
    """
    generator = network.generator
    count = predictions * generator.bits(passes)
    plain = [test for test in network.health if not test.distance]
    figures = {}
    for name, source in progress(sources.items()):
        alarms, alarms_plain = [], []
        for _ in range(streams):
            bits = source.draw(generator, count, rng)
            alarms.append(alarm_bit(bits, generator, network.health))
            alarms_plain.append(alarm_bit(bits, generator, plain))
        raised = sorted(bit for bit in alarms if bit is not None)
        figures[name] = {
            "streams": streams,
            "alarmed": len(raised) / streams,
            "alarmed_by_bits_alone": sum(bit is not None for bit in alarms_plain) / streams,
            "median_bits": None,
            "median_predictions": None,
        }
        middle = (streams - 1) // 2 # of all streams: those without alarm come last
        if middle < len(raised):
            figures[name]["median_bits"] = raised[middle] + 1
            figures[name]["median_predictions"] = raised[middle] // generator.bits(passes) + 1
    return figures


def false_alarm_tests(name: str, bits: np.ndarray, likely: float, limits: list[dict]) -> list[Test]:
    """Test whether good ``bits``, 1 or 0 with probability ``likely``, trip the health tests at the stated
    rates, with ``limits`` so low that they do: exact binomial tests.

    A repetition is counted once per run, however long the run is.
    """
    from scipy import stats

    tests = []
    for limit in limits:
        stated = false_alarms(likely, **limit)
        for kind, tripped, tries in (
                ("repetition", runs(bits, limit["repetition"]), len(bits) - limit["repetition"]),
                ("proportion", windows(bits, limit["window"], limit["proportion"]),
                 len(bits) // limit["window"])):
            p = float(stats.binomtest(tripped, tries, stated[kind]).pvalue)
            cutoff = limit[kind] if kind == "repetition" else f"{limit[kind]} of {limit['window']}"
            tests.append(Test(f"{name}: false alarms at {kind} {cutoff}", tripped / tries, p, tries))
    return tests


def effects(network: Network, sets: dict[str, np.ndarray], labels: np.ndarray,
            sources: dict[str, Source], passes: int, seed: int,
            progress: Callable[[Iterable], Iterable] = iter) -> dict[str, dict]:
    """Return, for each source by name, the figures of the predictions of ``network`` with its bits, and the
    alarm of the health tests.

    ``sets`` are uint8 images (N, H, W) by name; the first set is ``"mnist"``, which has ``labels``. All
    sets draw from one stream, one after another. ``progress`` as in :func:`detection`.
    """
    generator = network.generator
    width = generator.bits(passes) # of an image
    score = _scorer(network)
    figures = {}
    for name, source in progress(sources.items()):
        total = sum(map(len, sets.values())) * width
        bits = source.draw(generator, total, np.random.default_rng(seed))
        alarm = alarm_bit(bits, generator, network.health)
        scores, first = {}, 0
        for kind, images in sets.items():
            last = first + len(images) * width
            scores[kind] = score(kind, images, pass_bits(
                generator, bits[first:last].reshape(len(images), width), passes))
            first = last
        figures[name] = {
            **report(scores.pop("mnist"), labels, scores),
            "alarm": alarm is not None,
            "alarm_bits": None if alarm is None else alarm + 1,
            "alarm_prediction": None if alarm is None else alarm // width + 1,
        }
    return figures


def _scorer(network):
    """Return a function that scores a set of images, by name, by passes with given random bits.

    With few combinations of bits and numbers of a pass, the predictions of all of them are computed once
    per set and then looked up.
    """
    width = len(network.drops)
    turns = combination_count(network) // 2**width
    known = {}

    def look_up(kind, images, bits):
        if kind not in known:
            known[kind] = np.concatenate([
                softmax(paths(network, images[start:start + CHUNK]), network.head)
                for start in range(0, len(images), CHUNK)])
        path = bits @ (1 << np.arange(width)[::-1]) * turns + np.arange(bits.shape[1]) % turns
        probabilities = np.take_along_axis(known[kind], path[..., None], 1)
        return Answers(average(probabilities, network.head),
                       metrics.mutual_information(probabilities / 65536))

    def score(kind, images, bits):
        if combination_count(network) <= LOOK_UP_LIMIT:
            return scores_of(look_up(kind, images, bits))
        return over_passes(network, images, bits)

    return score
