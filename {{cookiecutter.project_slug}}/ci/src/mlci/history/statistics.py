"""What chance alone can do to the difference of two models, and what it cannot.

All tests are two-sided at 5 %, all intervals have 95 %. Where an interval excludes 0, chance is a
poor explanation of the difference; where it holds 0, nothing is proved, either way.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
NORMAL = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution
RESAMPLES = 1000
SEED = 0
CELLS = 2_000_000  # numbers in memory at once: resamples by rows
STEPS = 45  # of a bisection, which halves the error each time

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A change (now minus before) with the bounds of its 95 % interval, in the metric's unit."""

    change: float
    low: float
    high: float
    smallest: float  # the smallest change, of either sign, that such data tell from chance

    @property
    def sign(self) -> int:
        """1 where the interval lies above 0, -1 where it lies below, 0 where it holds 0."""
        if self.low > 0:
            return 1
        return -1 if self.high < 0 else 0


@lru_cache(maxsize=4)
def log_choices(trials: int) -> Floats:
    """Return the logarithms of how many ways there are to choose 0 … `trials`, (trials + 1,)."""
    factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, trials + 1)))))
    return np.asarray(factorials[-1] - factorials - factorials[::-1])


def binomial(trials: int, chance: float) -> Floats:
    """Return the probabilities of 0 … `trials` successes, (trials + 1,), for 0 < chance < 1."""
    hits = np.arange(trials + 1)
    logarithms = hits * math.log(chance) + (trials - hits) * math.log1p(-chance)
    return np.asarray(np.exp(logarithms + log_choices(trials)))


def mid_tail(trials: int, successes: int, chance: float) -> float:
    """Return the probability of more successes than these, and half that of as many."""
    probabilities = binomial(trials, chance)
    return float(probabilities[successes + 1 :].sum() + probabilities[successes] / 2)


def mid_p_bounds(successes: int, trials: int) -> tuple[float, float]:
    """Return the mid-p interval of a proportion: the chances that a two-sided test does not refuse.

    Source: Berry and Armitage, Mid-P confidence intervals: a brief review, The Statistician 44
    (1995), https://doi.org/10.2307/2348891
    """

    def highest(hits: int) -> float:
        """Return the largest chance at which so few successes are not yet too few."""
        if hits == trials:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(STEPS):
            middle = (low + high) / 2
            if 1 - mid_tail(trials, hits, middle) < ALPHA / 2:
                high = middle
            else:
                low = middle
        return high

    return 1 - highest(trials - successes), highest(successes)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22 (1927), https://doi.org/10.1080/01621459.1927.10502953
    """
    share, spare = successes / trials, NORMAL**2 / trials
    centre = share + spare / 2
    width = math.sqrt(spare * share * (1 - share) + spare**2 / 4)
    return max(0.0, (centre - width) / (1 + spare)), min(1.0, (centre + width) / (1 + spare))


def accuracy_change(gained: int, lost: int, rows: int) -> Interval:
    """Return the change of the share of right rows; it excludes 0 where mid-p McNemar is below 5 %.

    The change is a product: the share of rows that moved, times by how much more of these were won
    than lost. The interval of the second is that of the test (mid-p), of the first Wilson's; the
    distances of their bounds are joined as the variances of a product are, taken at the bounds,
    which keeps the sign of the second. Method: Zou and Donner, Construction of confidence limits
    about effect measures: a general approach, Statistics in Medicine 27 (2008),
    https://doi.org/10.1002/sim.3095; of the test: Fagerland, Lydersen and Laake, The McNemar test for
    binary matched-pairs data, BMC Medical Research Methodology 13:91 (2013),
    https://doi.org/10.1186/1471-2288-13-91

    Args:
        gained: rows that are right now and were wrong before.
        lost: rows that are wrong now and were right before.
        rows: all rows, at least one.
    """
    moved = gained + lost
    share, (fewest, most) = moved / rows, wilson(moved, rows)
    if not moved:
        return Interval(0.0, -most, most, smallest_majority(0) / rows)
    balance = (gained - lost) / moved
    low, high = (2 * chance - 1 for chance in mid_p_bounds(gained, moved))
    change = share * balance
    below = (share - fewest) if low > 0 else (most - share)
    above = (most - share) if high > 0 else (share - fewest)
    return Interval(
        change,
        change - math.hypot(share * (balance - low), below * low),
        change + math.hypot(share * (high - balance), above * high),
        smallest_majority(moved) / rows,
    )


def smallest_majority(moved: int) -> int:
    """Return the smallest `gained - lost` that McNemar's mid-p test tells from chance.

    Of `moved` rows; of the fewest with which it can tell anything, where these are too few.
    """
    while True:
        probabilities = binomial(moved, 0.5) if moved else np.ones(1)
        tails = np.cumsum(probabilities[::-1])[::-1] - probabilities / 2
        enough = np.flatnonzero(2 * tails < ALPHA)
        if len(enough):
            return int(2 * enough[0] - moved)
        moved += 1


def student(value: float, freedom: int) -> float:
    """Return the probability that Student's t lies between -value and value, for whole `freedom`.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4
    """
    angle = math.atan(value / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, cosine if freedom > 1 else 0.0) if odd else (1.0, 1.0)
    for number in range(2 if odd else 1, freedom - 1, 2):
        term *= cosine**2 * number / (number + 1)
        total += term
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


@cache
def student_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t."""
    low, high = 0.0, 13.0  # with one degree of freedom it is 12.7
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if student(middle, freedom) < 1 - ALPHA else (low, middle)
    return high


def folds_change(before: Floats, now: Floats) -> Interval:
    """Return the change of the mean score over the same folds of a cross-validation.

    The folds share most of their training rows, so their scores are not independent: the variance
    of the mean is s² (1/k + 1/(k - 1)) in place of s²/k, where 1/(k - 1) is the ratio of rows
    tested to rows trained on. Source: Nadeau and Bengio, Inference for the Generalization Error,
    Machine Learning 52 (2003), https://doi.org/10.1023/A:1024068626366

    Args:
        before: one score per fold, at least two.
        now: the scores on the same folds in the same order.
    """
    differences = np.asarray(now, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    folds = len(differences)
    spread = float(differences.std(ddof=1)) * math.sqrt(1 / folds + 1 / (folds - 1))
    width = student_quantile(folds - 1) * spread
    change = float(differences.mean())
    return Interval(change, change - width, change + width, width)


def resampled_change(change: float, before: Floats, now: Floats) -> Interval:
    """Return the interval of a change from the metric's values on the same resamples of the rows.

    The standard deviation over the resamples is the bootstrap's estimate of the standard error: it
    needs fewer of them than percentiles do. Source: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapters 6 and 13, https://doi.org/10.1201/9780429246593
    """
    width = NORMAL * float(np.std(now - before, ddof=1))
    return Interval(change, change - width, change + width, width)


def resamples(rows: int) -> Iterator[Floats]:
    """Draw rows with replacement, as often as there are rows: yield how often each was drawn.

    (resamples, rows) at a time, `RESAMPLES` in all; the same ones for the same number of rows.
    """
    rng = np.random.default_rng(SEED)
    at_once = max(1, CELLS // rows)
    for start in range(0, RESAMPLES, at_once):
        times = min(at_once, RESAMPLES - start)
        drawn = rng.integers(rows, size=(times, rows)) + rows * np.arange(times)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=times * rows)
        yield counts.reshape(times, rows).astype(np.float64)


def percentile_change(change: float, differences: Floats, rows: int) -> Interval:
    """Return the percentile interval of differences on resamples, (resamples,), wider for few rows.

    Source of the widening, which makes up for the bootstrap's narrowness (n - 1 instead of n, the
    normal distribution instead of Student's): Hesterberg, What Teachers Should Know About the
    Bootstrap, The American Statistician 69 (2015), section 5.3.3,
    https://doi.org/10.1080/00031305.2015.1089789
    """
    wide = math.sqrt(rows / max(1, rows - 1)) * student_quantile(min(max(1, rows - 1), 1000))
    outside = math.erfc(wide / math.sqrt(2)) / 2
    low, high = np.quantile(differences, [outside, 1 - outside])
    return Interval(change, float(low), float(high), float(high - low) / 2)
