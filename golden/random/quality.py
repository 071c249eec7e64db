"""Judge the randomness of predictions: the stream of choices, what averages tend to, and what faulty
sources of random bits do, to the health tests and to the uncertainty."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gen.ir import Head, Network
from golden import metrics
from golden.evaluate import Scores, report
from golden.head import average, softmax
from golden.network import path_probabilities, paths, predict
from golden.random.bad_sources import Source
from golden.random.generator import choices_of
from golden.random.health import alarm_bit, false_alarms, runs, windows
from golden.random.hypothesis_tests import Test, autocorrelation, counts, independence, normal, rate


__all__ = [
    "Exact", "bit_tests", "choice_tests", "convergence", "detection", "effects", "false_alarm_tests",
    "output_tests",
]


#: Lags of the autocorrelation: in bits as they are drawn, and in passes of a layer.
BIT_LAGS, PASS_LAGS = 64, 20

#: Lags in passes, for arrays to choose from.
ARRAY_LAGS = 5

#: Combinations of choices that are counted as one.
PATHS_LIMIT = 1024

#: Blocks of predictions with fewer of them say nothing of how large errors are.
LEAST_BLOCKS = 200

#: Images scored at once.
CHUNK = 500


def bit_tests(name: str, bits: np.ndarray, probability: np.ndarray) -> list[Test]:
    """Test ``bits`` in the order in which they are drawn, the bits of a pass 1 with ``probability``
    (W,): how often each is 1, and whether it depends on one before."""
    width = len(probability)
    bits  = bits[:len(bits) // width * width]
    every = np.resize(probability, len(bits))
    return [
        *(rate(f"{name}: rate of bit {at}", bits[at::width], float(probability[at]))
          for at in range(width)),
        *(autocorrelation(f"{name}: lag of {lag} bits", bits, every, lag)
          for lag in range(1, BIT_LAGS + 1)),
    ]


def choice_tests(name: str, choice: np.ndarray, sizes: tuple[int, ...],
                 shares: list[np.ndarray]) -> list[Test]:
    """Test choices, int (P, L) of P passes one after another, of which layer l has ``sizes[l]`` with
    the chances ``shares[l]``.

    Of each layer how often each choice is made, and whether it depends on those of passes before; of
    each two layers, and of all, whether they are independent.
    """
    tests = []
    for layer, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        own = choice[:, layer]
        tests.append(counts(f"{name}: choices of layer {layer}",
                            np.bincount(own, minlength=size), share))
        if size == 2:
            tests += [autocorrelation(f"{name}: layer {layer}, lag of {lag} passes", own == 1,
                                      float(share[1]), lag) for lag in range(1, PASS_LAGS + 1)]
        else:
            tests += [independence(f"{name}: layer {layer}, lag of {lag} passes", own[lag:],
                                   own[:-lag], (size, size)) for lag in range(1, ARRAY_LAGS + 1)]
    for one in range(len(sizes)):
        for other in range(one):
            tests.append(independence(f"{name}: layers {other} and {one}", choice[:, other],
                                      choice[:, one], (sizes[other], sizes[one])))
    if np.prod(sizes, dtype=object) <= PATHS_LIMIT:
        every = shares[0]
        for share in shares[1:]:
            every = np.multiply.outer(every, share).ravel()
        seen = np.bincount(np.ravel_multi_index(tuple(choice.T), sizes), minlength=len(every))
        tests.append(counts(f"{name}: choices of all layers together", seen, every))
    return tests


@dataclass(frozen=True, slots=True)
class Exact:
    """All that a pass over each of N images can give, by enumeration of every combination of choices."""

    probabilities: np.ndarray #: uint32 (N, C, K), Q0.16, ordered as network.combinations does.
    share: np.ndarray         #: float64 (C,), the chance of each combination.
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
        """Of the probabilities of a pass, float64 (N, K)."""
        return self.moment(2)

    def moment(self, order: int) -> np.ndarray:
        """Return the central moment of the probabilities of a pass, float64 (N, K)."""
        return self.share @ (self.probabilities / 65536 - self.mean[:, None])**order


def output_tests(name: str, results: dict[str, np.ndarray], exact: Exact) -> list[Test]:
    """Test the distribution of R predictions of each of N images, one image after another.

    ``results`` are fields of the result record, as the hardware returns them: ``sum``, ``votes``
    (R * N, K), ``reject``, ``passes`` (R * N,). Passes are independent, so the distribution of each
    figure follows from ``exact``:

    - after one pass the sums are the probabilities of one combination of choices: chi-square test;
    - votes of all predictions are multinomial: chi-square test;
    - those of a class in a prediction are binomial, whatever depends on what within it: chi-square;
    - an image is rejected as often as no class is confident in enough passes: exact binomial test;
    - the mean of the sums of each class: normal test.
    """
    from scipy import stats

    images, _, classes = exact.probabilities.shape
    passes = int(results["passes"][0])
    fields = {field: results[field].reshape(-1, images, classes) for field in ("sum", "votes")}
    reject = results["reject"].reshape(-1, images)
    repeats = len(reject)
    tests = []
    for image in range(images):
        own = f"{name}: image {image}"
        possible, which = np.unique(exact.probabilities[image], axis=0, return_inverse=True)
        if passes == 1:
            share = np.append(np.bincount(which.ravel(), exact.share), 0)
            equal = (fields["sum"][:, image, None] == possible).all(-1)
            outcome = np.where(equal.any(1), equal.argmax(1), len(possible)) # the last: none of them
            tests.append(counts(f"{own}, outcomes", np.bincount(outcome, minlength=len(share)), share))
            continue
        winner = exact.probabilities[image].argmax(-1)
        share = np.bincount(winner, exact.share, minlength=classes)
        votes = fields["votes"][:, image]
        tests.append(counts(f"{own}, votes", votes.sum(0), share))
        leading = int(share.argmax())
        tests.append(counts(f"{own}, votes of class {leading} in a prediction",
                            np.bincount(votes[:, leading], minlength=passes + 1),
                            stats.binom.pmf(np.arange(passes + 1), passes, min(share[leading], 1))))
        # Two classes cannot both be confident in most passes, so the chances add up.
        confident = exact.share @ (exact.probabilities[image] >= exact.head.confidence)
        needed = -(-exact.head.agreement * passes // 100)
        accepted = stats.binom.sf(needed - 1, passes, np.minimum(confident, 1)).sum()
        tests.append(rate(f"{own}, rejected", reject[:, image], float(np.clip(1 - accepted, 0, 1))))
        off = fields["sum"][:, image].mean(0) / (65536 * passes) - exact.mean[image]
        error = np.sqrt(exact.variance[image] / (passes * repeats))
        tests += [normal(f"{own}, mean of class {number}", off[number] / error[number], repeats * passes)
                  for number in np.flatnonzero(error > 0)]
    return tests


def convergence(name: str, means: np.ndarray, passes: int, exact: Exact) -> tuple[dict, list[Test]]:
    """Judge how R means of ``passes`` passes of each of N images, float64 (R, N, K), tend to the
    exact mean.

    Errors of averages over more and more predictions must be as large as independent passes make
    them, so fall as one over the root of the passes. Where there are enough of them, the sum of their
    squares in units of their own variance is tested: normal test, with the exact fourth moment of a
    pass, of the class of each image that varies the most.
    """
    repeats, images, _ = means.shape
    variance, fourth = exact.variance, exact.moment(4)
    most = variance.argmax(-1)
    every = np.arange(images)
    varies = variance[every, most] > 0
    every, most = every[varies], most[varies]
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
        if blocks * len(every) >= LEAST_BLOCKS:
            square = off[:, every, most]**2 / (variance[every, most] / count)
            excess = fourth[every, most] / variance[every, most]**2 - 3
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
              each: Callable[[Iterable], Iterable] = iter) -> dict[str, dict]:
    """Return, by name, how many of ``streams`` streams of each source raise the alarm of the health
    tests of ``network`` within ``predictions`` predictions, how soon, and how many by the tests of the bits
    alone."""
    generator = network.generator
    pass_bits = sum(generator.bits)
    count = predictions * passes * pass_bits
    plain = [test for test in network.health if not test.distance]
    figures = {}
    for name, source in each(sources.items()):
        found, found_plain = [], []
        for _ in range(streams):
            bits = source.draw(generator, count, rng)
            found.append(alarm_bit(bits, generator, network.health))
            found_plain.append(alarm_bit(bits, generator, plain))
        at = sorted(bit for bit in found if bit is not None)
        figures[name] = {
            "streams": streams,
            "alarmed": len(at) / streams,
            "alarmed_by_bits_alone": sum(bit is not None for bit in found_plain) / streams,
            # Of all streams, those without alarm count as later than any.
            "median_bits": at[(streams - 1) // 2] + 1 if len(at) > (streams - 1) // 2 else None,
        }
        median = figures[name]["median_bits"]
        figures[name]["median_predictions"] = median and -(-median // (passes * pass_bits))
    return figures


def false_alarm_tests(name: str, bits: np.ndarray, likely: float, limits: list[dict]) -> list[Test]:
    """Test whether good ``bits``, one value of which has the chance ``likely``, trip the health tests
    as often as stated, at ``limits`` so low that they do: exact binomial tests.

    A repetition is counted once, at the end of its run, so runs are as many as bits that begin one.
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
            each: Callable[[Iterable], Iterable] = iter) -> dict[str, dict]:
    """Return, by name, what each source makes of the predictions of ``network``, with the alarm of its
    health tests.

    ``sets`` are uint8 images (N, H, W), those of MNIST with ``labels`` first, under the name
    ``"mnist"``; their random bits follow each other in one stream.
    """
    generator, width = network.generator, sum(network.generator.bits)
    predicting = _predictor(network)
    figures = {}
    for name, source in each(sources.items()):
        total = sum(map(len, sets.values())) * passes * width
        bits = source.draw(generator, total, np.random.default_rng(seed))
        alarm = alarm_bit(bits, generator, network.health)
        scores, first = {}, 0
        for kind, images in sets.items():
            last = first + len(images) * passes * width
            choice = choices_of(bits[first:last], generator, len(images), passes)
            scores[kind] = predicting(kind, images, choice)
            first = last
        inside = scores.pop("mnist")
        figures[name] = {
            **report(inside, labels, scores),
            "alarm": alarm is not None,
            "alarm_bits": None if alarm is None else alarm + 1,
            "alarm_prediction": None if alarm is None else alarm // (passes * width) + 1,
        }
    return figures


def _predictor(network):
    """How to score a set of images for given choices: by looking up what every combination gives, once
    computed, where there are few."""
    sizes = tuple(layer.choices for layer in network.layers)
    few = np.prod(sizes, dtype=object) <= 64
    known = {}

    def look_up(kind, images, choice):
        if kind not in known:
            known[kind] = np.concatenate([
                softmax(paths(network, images[start:start + CHUNK]), network.head)
                for start in range(0, len(images), CHUNK)])
        at = np.ravel_multi_index(tuple(np.moveaxis(choice, -1, 0)), sizes)
        probabilities = np.take_along_axis(known[kind], at[..., None], 1)
        return average(probabilities, network.head), probabilities

    def run(kind, images, choice):
        return predict(network, images, choice)

    def predicting(kind, images, choice):
        prediction, probabilities = (look_up if few else run)(kind, images, choice)
        mean = prediction.sums / (65536 * prediction.passes)
        return Scores(mean, metrics.predictive_entropy(mean),
                      metrics.mutual_information(probabilities / 65536), prediction.reject)

    return predicting
