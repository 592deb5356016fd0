"""Tests and intervals of a difference: as well-known libraries have them, right in simulation."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from mlci.history import evidence, scores, statistics
from mlci.history.evidence import Side, weigh
from mlci.history.scores import Predictions
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

RNG = np.random.default_rng(0)
ONCE = np.ones((1, 200))


def mid_p(gained: int, lost: int) -> float:
    """Return the mid-p value of McNemar's test, which statsmodels has exact only."""
    exact = mcnemar([[50, gained], [lost, 50]], exact=True).pvalue
    seen = stats.binom.pmf(gained, gained + lost, 0.5)
    return float(exact - seen) if gained != lost else 1.0


def test_quantiles_are_scipys() -> None:
    for freedom in (1, 2, 3, 4, 9, 10, 99, 359):
        assert statistics.student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom))
    for hits, trials in (0, 7), (3, 10), (10, 10), (450, 1000):
        wilson = proportion_confint(hits, trials, method="wilson")
        assert statistics.wilson(hits, trials) == pytest.approx(wilson)
        for bound, tail in zip(statistics.mid_p_bounds(hits, trials), (1, 0), strict=True):
            at_most = (
                stats.binom.cdf(hits, trials, bound) - stats.binom.pmf(hits, trials, bound) / 2
            )
            outside = 1 - at_most if tail else at_most
            assert outside == pytest.approx(0.025) or bound in (0, 1)


def test_the_interval_of_accuracy_says_what_the_test_says() -> None:
    """One thing decides the dot: the interval excludes 0 exactly where the test is below 5 %."""
    for rows, most in (40, 25), (2000, 15):
        for moved in range(most + 1):
            for gained in range(moved + 1):
                found = statistics.accuracy_change(gained, moved - gained, rows)
                refused = mid_p(gained, moved - gained) < 0.05
                assert (found.sign != 0) == refused, (gained, moved, rows)
                assert found.low <= found.change <= found.high
                enough = abs(found.change) > found.smallest - 1e-12
                assert enough == refused or moved < 5


@pytest.mark.slow
@pytest.mark.parametrize(("won", "lost"), [(0.02, 0.02), (0.06, 0.02), (0.1, 0.0), (0.3, 0.1)])
@pytest.mark.parametrize("rows", [100, 1000])
def test_the_interval_of_accuracy_holds_the_truth(won: float, lost: float, rows: int) -> None:
    """Also far from 0, where the rows that moved are no fixed number."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(rows, [won, lost, 1 - won - lost], size=400)
    held = 0
    for gained, fell, _ in drawn:
        found = statistics.accuracy_change(int(gained), int(fell), rows)
        held += found.low <= won - lost <= found.high
    assert held / len(drawn) > 0.95 - 2 * math.sqrt(0.05 * 0.95 / len(drawn))


def test_paired_folds_are_corrected() -> None:
    """Nadeau and Bengio's variance, by hand for two folds and by SciPy's t for ten."""
    found = statistics.folds_change(np.array([0.8, 0.9]), np.array([0.9, 0.9]))
    spread = math.sqrt((0.05**2 * 2) * (1 / 2 + 1))
    assert found.change == pytest.approx(0.05)
    assert found.high - found.change == pytest.approx(stats.t.ppf(0.975, 1) * spread)
    before, now = RNG.normal(0, 1, (2, 10))
    found = statistics.folds_change(before, now)
    plain = stats.ttest_rel(now, before)
    wider = math.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    low, high = plain.confidence_interval()
    assert found.change - found.low == pytest.approx((high - low) / 2 * wider)


def classes(names: list[str], right: float, rows: int = 200) -> tuple[Predictions, np.ndarray]:
    """Return predictions of random classes, so many of them right, and a weight per row."""
    actual = RNG.choice(names, rows)
    predicted = np.where(RNG.random(rows) < right, actual, RNG.choice(names, rows))
    likelihood = RNG.beta(5, 2, rows).round(3)
    positive = actual == names[-1]
    score = (positive * 0.3 + RNG.random(rows)).round(1)  # with ties
    weights = RNG.poisson(1, rows).astype(float)
    keys = np.arange(rows, dtype=np.uint64)
    return Predictions(keys, actual, predicted, likelihood, score, names[-1]), weights


def test_metrics_are_scikit_learns() -> None:
    """With rows that count twice or not at all, as in a resample."""
    for names in ["no", "yes"], ["a", "b", "c", "d"]:
        one, weights = classes(names, 0.7)
        expected: dict[str, Callable[..., float]] = {
            "accuracy": sk.accuracy_score,
            "balanced_accuracy": sk.balanced_accuracy_score,
            "f1_macro": lambda *a, **k: sk.f1_score(*a, average="macro", **k),
            "f1_weighted": lambda *a, **k: sk.f1_score(*a, average="weighted", **k),
            "precision_macro": lambda *a, **k: sk.precision_score(*a, average="macro", **k),
            "recall_macro": lambda *a, **k: sk.recall_score(*a, average="macro", **k),
        }
        for name, function in expected.items():
            (metric,) = scores.candidates(name, one)
            value = function(one.actual, one.predicted, sample_weight=weights)
            assert metric(one, weights[np.newaxis])[0] == pytest.approx(value), name
    one, weights = classes(["no", "yes"], 0.7)
    up = one.actual == "yes"
    assert one.likelihood is not None
    assert one.score is not None
    chance = np.where(up, one.likelihood, 1 - one.likelihood)
    loss = sk.log_loss(up, chance, sample_weight=weights)
    assert scores.log_loss(one, weights[np.newaxis])[0] == pytest.approx(loss)
    area = sk.roc_auc_score(up, one.score, sample_weight=weights)
    assert scores.roc_auc(one, weights[np.newaxis])[0] == pytest.approx(area)
    for kind, function in ("f1", sk.f1_score), ("precision", sk.precision_score):
        values = [metric(one, ONCE)[0] for metric in scores.candidates(kind, one)]
        assert values[-1] == pytest.approx(function(up, one.predicted == "yes"))


def test_metrics_of_numbers_are_scikit_learns() -> None:
    actual = RNG.normal(1e6, 3, 200)
    predicted = actual + RNG.normal(0, 1, 200)
    weights = RNG.poisson(1, 200).astype(float)
    one = Predictions(np.arange(200, dtype=np.uint64), actual.astype(str), predicted.astype(str))
    for name, function in (
        ("r2", sk.r2_score),
        ("mae", sk.mean_absolute_error),
        ("mse", sk.mean_squared_error),
        ("rmse", sk.root_mean_squared_error),
    ):
        value = function(actual, predicted, sample_weight=weights)
        found = scores.NAMED[name](one, weights[np.newaxis])[0]
        assert found == pytest.approx(value, rel=1e-6), name


def test_the_bootstrap_agrees_with_the_standard_error_of_a_mean() -> None:
    """Of the mean absolute error, a plain mean, whose paired standard error is known."""
    keys = np.arange(2000, dtype=np.uint64)
    actual = RNG.normal(0, 1, 2000)
    sides = [actual + RNG.normal(0, size, 2000) for size in (0.30, 0.28)]
    before, now = (Predictions(keys, actual.astype(str), side.astype(str)) for side in sides)
    found = evidence.bootstrap(before, now, {"mae": scores.mae})["mae"]
    differences = np.abs(actual - sides[1]) - np.abs(actual - sides[0])
    width = 1.96 * differences.std(ddof=1) / math.sqrt(2000)
    assert found.change == pytest.approx(differences.mean())
    assert (found.high - found.low) / 2 == pytest.approx(width, rel=0.1)
    again = evidence.bootstrap(before, now, {"mae": scores.mae})["mae"]
    assert again == found  # seeded


def written(one: Predictions) -> bytes:
    """Return predictions as `evaluate` writes them."""
    assert one.likelihood is not None
    lines = ["row_key,actual,predicted,likelihood"]
    for row in range(len(one.keys)):
        said = f"{one.actual[row]},{one.predicted[row]},{one.likelihood[row]}"
        lines.append(f"{one.keys[row]},{said}")
    return "\n".join(lines).encode() + b"\n"


def side(one: Predictions, **more: object) -> Side:
    """Return what a revision with these predictions leaves in Git."""
    values = {
        "accuracy": float(np.mean(one.actual == one.predicted)),
        "log_loss": float(scores.log_loss(one, np.ones((1, len(one.keys))))[0]),
        "data.test_rows": len(one.keys),
    }
    return Side({"metrics.json": values | more}, written(one))


def test_the_rows_of_both_sides_are_compared() -> None:
    """In any order, and only where both have them with the same truth."""
    before, _ = classes(["a", "b"], 0.6)
    now = Predictions(before.keys, before.actual, before.actual, before.likelihood)
    found = weigh(side(before), side(now))
    wrong = int((before.actual != before.predicted).sum())
    assert (found.before, found.now, found.common) == (200, 200, 200)
    assert found.intervals["accuracy"].change == pytest.approx(wrong / 200)
    assert found.intervals["accuracy"].sign == 1
    assert found.intervals["log_loss"].sign == 0

    grown = Predictions(
        np.concatenate([now.keys[::-1], np.arange(500, 600, dtype=np.uint64)]),
        np.concatenate([now.actual[::-1], now.actual[:100]]),
        np.concatenate([now.predicted[::-1], now.predicted[:100]]),
        np.full(300, 0.9),
    )
    found = weigh(side(before), side(grown))
    assert (found.now, found.common, found.other_rows) == (300, 200, False)
    assert found.intervals["accuracy"].change == pytest.approx(wrong / 200)

    others = Predictions(now.keys + 1000, now.actual, now.predicted, now.likelihood)
    found = weigh(side(before), side(others))
    assert found.other_rows
    assert not found.intervals


def test_a_metric_that_only_has_the_name_gets_no_interval() -> None:
    """What the rows give must be what metrics.json says."""
    before, _ = classes(["a", "b"], 0.6)
    found = weigh(side(before, f1=0.123), side(before, f1=0.456))
    assert "f1" not in found.intervals
    assert "log_loss" in found.intervals
    # One is of numbers, which these classes are not, and one is no number.
    for values in ({"mae": 0.1}, {"log_loss": float("nan")}):
        named = weigh(side(before, **values), side(before, **values)).intervals
        assert not values.keys() & named.keys()


def test_of_a_sample_of_the_rows_the_name_is_trusted() -> None:
    """Of very many rows the file has some; what these give is not what metrics.json says."""
    before, _ = classes(["a", "b"], 0.6)
    said = {"data.test_rows": 10_000, "f1": 0.5}
    named = weigh(side(before, **said, log_loss=0.3), side(before, **said, log_loss=0.2)).intervals
    assert named["log_loss"].change == 0  # of the rows that are there, which are the same
    assert "f1" not in named


def test_own_metrics_are_compared_on_the_same_resamples() -> None:
    one, _ = classes(["a", "b"], 0.6)
    before = RNG.normal(5, 1, 200)
    now = before + RNG.normal(0.3, 0.1, 200)

    def with_gain(value: float, drawn: Sequence[object] | np.ndarray) -> Side:
        table = "gain\n" + "\n".join(map(str, drawn))
        return Side(side(one, gain=value).metrics, written(one), table.encode())

    found = weigh(with_gain(5.0, before), with_gain(5.3, now)).intervals["gain"]
    assert found.change == pytest.approx(0.3)
    assert found.high - found.change == pytest.approx(1.96 * np.std(now - before, ddof=1), rel=1e-3)

    # A resample without one of the classes has no value, and is left out of both sides.
    gaps = [*before[:-1], '""']
    again = weigh(with_gain(5.0, gaps), with_gain(5.3, now)).intervals["gain"]
    expected = 1.96 * np.std((now - before)[:-1], ddof=1)
    assert again.high - again.change == pytest.approx(expected, rel=1e-3)
    assert "gain" not in weigh(with_gain(5.0, ['""'] * 200), with_gain(5.3, now)).intervals
    assert "gain" not in weigh(with_gain(5.0, before[1:]), with_gain(5.3, now)).intervals

    # A table that cannot be read costs what is in it, and nothing else.
    spoilt = weigh(with_gain(5.0, ["few"] * 200), with_gain(5.3, now))
    assert spoilt.problems[0].startswith("plots/resamples.csv cannot be read: ")
    assert {*spoilt.intervals} == {"accuracy", "log_loss"}


@pytest.mark.parametrize(
    "content",
    [
        b"row_key,actual\n1,a\n",
        b"row_key,actual,predicted\n",
        b"row_key,actual,predicted\n1,a\n",
        b"row_key,actual,predicted\nx,a,b\n",
        b"row_key,actual,predicted\n-1,a,b\n",
        b"row_key,actual,predicted,likelihood\n1,a,b,often\n",
        b"row_key,actual,predicted\n1," + b"a" * 1_000_001 + b",b\n",
        b"\xff\xfe",
        b"\n",
    ],
)
def test_tables_that_cannot_be_read_are_named(content: bytes) -> None:
    one, _ = classes(["a", "b"], 0.6)
    found = weigh(side(one), Side(side(one).metrics, content))
    assert not found.intervals
    assert found.problems[0].startswith("plots/test_rows.csv of now cannot be read: ")


def test_folds_count_only_where_they_are_the_same() -> None:
    folds = {"cv.metric": "accuracy", "cv.folds": 3, "cv.rows": "abc"}
    before = {"metrics.json": folds | {"cv.scores": [0.7, 0.8, 0.75]}}
    now = {"metrics.json": folds | {"cv.scores": [0.9, 0.95, 0.93]}}
    assert weigh(Side(before), Side(now)).folds is not None
    for change in (
        {"cv.rows": "other"},
        {"cv.metric": "f1"},
        {"cv.scores": "many"},
        {"cv.scores": [0.9]},
    ):
        other = {"metrics.json": now["metrics.json"] | change}
        assert weigh(Side(before), Side(other)).folds is None
