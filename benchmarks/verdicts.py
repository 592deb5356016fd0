"""How often a report's verdict is wrong, and how often it sees what is there, where one knows.

Each history is two models, fitted by scikit-learn, whose true scores are equal or differ by a known
amount; their test rows are written as `evaluate` writes them and judged as a report judges them.
Prints a table with pass or fail, and ends with code 1 where a promise is broken:

- false: better or worse is said of equal models. At most 6 % and two standard errors.
- seen: a true difference is called. At least what the paired test sees (mid-p McNemar by SciPy),
  less three points.

`python benchmarks/verdicts.py [HISTORIES]`, 2,000 if not given: about ten minutes on two idle cores.
"""

import hashlib
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlci.history.evidence import Side, weigh
from mlci.history.judgement import decide
from mlci.history.rules import Rules
from mlci.history.values import direction
from scipy import special, stats
from sklearn import metrics, set_config
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

HISTORIES = 2000
TRAIN_ROWS = 1440
FALSE, POINTS = 0.06, 0.03
ALPHA, LIMIT = 0.05, 0.05
Array = np.ndarray


@dataclass(frozen=True)
class Data:
    """Rows as both models see them: the truth, and a table of features for each model."""

    y: Array
    views: tuple[Array, Array]

    def part(self, rows: slice) -> "Data":
        """Return some of the rows."""
        return Data(self.y[rows], (self.views[0][rows], self.views[1][rows]))


def spread(accuracy: float) -> float:
    """Return the noise around ±1 with which the better side of 0 is right so often."""
    return float(1 / stats.norm.ppf(accuracy))


def draw_classes(rng: np.random.Generator, rows: int, accuracies: tuple[float, float]) -> Data:
    """Draw two balanced classes at ±1, seen through noise most of which both models share.

    A linear model of the first column is right with the probability that is asked for; the other
    two columns are noise that it has to find out about.
    """
    y = np.repeat([0, 1], [rows // 2, rows - rows // 2])
    rng.shuffle(y)
    shared, views = rng.normal(size=rows), []
    for accuracy in accuracies:
        own = spread(max(accuracies)) * 0.25
        common = math.sqrt(spread(accuracy) ** 2 - own**2)
        seen = 2 * y - 1 + common * shared + own * rng.normal(size=rows)
        views.append(np.column_stack([seen, rng.normal(size=(rows, 2))]))
    return Data(y, (views[0], views[1]))


def draw_numbers(rng: np.random.Generator, rows: int) -> Data:
    """Draw a number that two models see through noise of the same size: equal true errors."""
    signal = rng.normal(size=rows)
    y = signal + 0.3 * rng.standard_t(5, size=rows)
    views = [
        np.column_stack([signal + 0.5 * rng.normal(size=rows), rng.normal(size=(rows, 2))])
        for _ in range(2)
    ]
    return Data(y, (views[0], views[1]))


def table(keys: Array, columns: dict[str, Array]) -> bytes:
    """Write test rows as `evaluate` does."""
    lines = [",".join(["row_key", *columns])]
    cells = [[f"{value:.6g}" for value in column] for column in columns.values()]
    lines += [",".join(row) for row in zip(map(str, keys), *cells, strict=True)]
    return ("\n".join(lines) + "\n").encode()


CLASSES: dict[str, Callable[[Array, Array, Array], float]] = {
    "accuracy": lambda y, predicted, _: (y == predicted).mean(),
    "f1_macro": lambda y, predicted, _: metrics.f1_score(y, predicted, average="macro"),
    "roc_auc": lambda y, _, chances: metrics.roc_auc_score(y, chances[:, 1]),
    "log_loss": lambda y, _, chances: metrics.log_loss(y, chances, labels=[0, 1]),
}
NUMBERS = {"r2": metrics.r2_score, "mae": metrics.mean_absolute_error}


def side_of_classes(
    model: Any, X: Array, y: Array, keys: Array, metric: str = "accuracy", **cv: Any
) -> Side:
    """Measure a fitted classifier on the test rows."""
    chances = model.predict_proba(X)
    predicted = chances.argmax(axis=1)
    value = CLASSES[metric](y, predicted, chances)
    columns = {"actual": y, "predicted": predicted}
    if metric == "log_loss":
        columns["likelihood"] = np.where(y == 1, chances[:, 1], chances[:, 0])
    if metric == "roc_auc":
        columns["score 1"] = chances[:, 1]
    rows = table(keys, columns)
    return Side(measured(metric, value, len(y), **cv), rows)


def side_of_numbers(model: Any, X: Array, y: Array, keys: Array, metric: str) -> Side:
    """Measure a fitted regression on the test rows."""
    predicted = model.predict(X)
    value = NUMBERS[metric](y, predicted)
    rows = table(keys, {"actual": y, "predicted": predicted})
    return Side(measured(metric, value, len(y)), rows)


def measured(metric: str, value: float, test_rows: int, **cv: Any) -> dict[str, dict[str, Any]]:
    """Write a metric and its folds as `evaluate` does, with as many digits."""
    cv |= {"metric": metric}
    found = {metric: float(f"{value:.6g}"), "data.test_rows": test_rows}
    return {"metrics.json": found | {f"cv.{name}": said for name, said in cv.items()}}


def linear() -> LinearDiscriminantAnalysis:
    """Return a linear model of classes that fits a few columns in a millisecond."""
    return LinearDiscriminantAnalysis(solver="lsqr")


def cross_validate(X: Array, y: Array, folds: int) -> list[float]:
    """Return the accuracy on each fold, the same folds for the same classes."""
    scores = []
    for rest, fold in StratifiedKFold(folds, shuffle=True, random_state=0).split(X, y):
        model = linear().fit(X[rest], y[rest])
        scores.append(float((model.predict(X[fold]) == y[fold]).mean()))
    return scores


def equal_or_not(
    metric: str, seed: int, rows: int, accuracies: tuple[float, float] = (0.95, 0.95)
) -> tuple[Side, Side]:
    """Two linear models of one history, on the same test rows."""
    data = draw_classes(np.random.default_rng(seed), TRAIN_ROWS + rows, accuracies)
    train, test = data.part(slice(TRAIN_ROWS)), data.part(slice(TRAIN_ROWS, None))
    keys = np.arange(rows)
    before, now = (
        side_of_classes(linear().fit(X, train.y), test_X, test.y, keys, metric)
        for X, test_X in zip(train.views, test.views, strict=True)
    )
    return before, now


def folds_only(metric: str, seed: int, folds: int) -> tuple[Side, Side]:
    """The same without predictions, as a pipeline of images may be: only folds tell of chance."""
    data = draw_classes(np.random.default_rng(seed), TRAIN_ROWS, (0.95, 0.95))
    sides = []
    for X in data.views:
        found = cross_validate(X, data.y, folds)
        cv = {"folds": folds, "rows": "the same", "scores": found}
        sides.append(Side(measured(metric, float(np.mean(found)), TRAIN_ROWS, **cv)))
    return sides[0], sides[1]


def other_seed(metric: str, seed: int, model: Any) -> tuple[Side, Side]:
    """Only `train.seed` differs: the same model drawn twice, on 360 test rows."""
    data = draw_classes(np.random.default_rng(seed), 840, (0.95, 0.95))
    train, test = data.part(slice(480)), data.part(slice(480, None))
    X, test_X = (np.column_stack([*part.views]) for part in (train, test))
    before, now = (
        side_of_classes(
            clone(model).set_params(random_state=number).fit(X, train.y),
            *(test_X, test.y, np.arange(360), metric),
        )
        for number in (2 * seed, 2 * seed + 1)
    )
    return before, now


def other_split(metric: str, seed: int, rows: int) -> tuple[Side, Side]:
    """Only `prepare.seed` differs: the same code and table, other rows to test with."""
    data = draw_classes(np.random.default_rng(seed), rows, (0.95, 0.95))
    sides = []
    for draw in range(2):
        order = np.random.default_rng((seed, draw)).permutation(rows)
        test, train = order[: rows // 5], order[rows // 5 :]
        X, y = data.views[0], data.y
        digest = hashlib.sha256(np.sort(train).tobytes()).hexdigest()
        found = cross_validate(X[train], y[train], 5)
        cv = {"folds": 5, "rows": digest, "scores": found}
        model = linear().fit(X[train], y[train])
        sides.append(side_of_classes(model, X[test], y[test], test, metric, **cv))
    return sides[0], sides[1]


def numbers(metric: str, seed: int, rows: int) -> tuple[Side, Side]:
    """Two regressions with equal true errors, on the same test rows."""
    data = draw_numbers(np.random.default_rng(seed), TRAIN_ROWS + rows)
    train, test = data.part(slice(TRAIN_ROWS)), data.part(slice(TRAIN_ROWS, None))
    before, now = (
        side_of_numbers(Ridge().fit(X, train.y), test_X, test.y, np.arange(rows), metric)
        for X, test_X in zip(train.views, test.views, strict=True)
    )
    return before, now


def numbers_other_split(metric: str, seed: int) -> tuple[Side, Side]:
    """A regression of which only `prepare.seed` differs."""
    data = draw_numbers(np.random.default_rng(seed), 450)
    sides = []
    for test, train in (
        (order[:90], order[90:])
        for order in (np.random.default_rng((seed, draw)).permutation(450) for draw in range(2))
    ):
        model = Ridge().fit(data.views[0][train], data.y[train])
        sides.append(side_of_numbers(model, data.views[0][test], data.y[test], test, metric))
    return sides[0], sides[1]


@dataclass(frozen=True)
class Situation:
    """A row of the table: how its histories are made and what is promised."""

    name: str
    make: Callable[..., tuple[Side, Side]]
    arguments: tuple
    metric: str = "accuracy"
    promise: str = "false"  # or "seen", or "" where it is only reported


SITUATIONS = [
    # Two models that are nearly always right differ in too few of 40 rows to be called anything.
    Situation("equal models, right in 70 % of 40 test rows", equal_or_not, (40, (0.7, 0.7))),
    *(
        Situation(f"equal models, the same {rows:,} test rows", equal_or_not, (rows,))
        for rows in (360, 2000)
    ),
    *(
        Situation(f"the same, 360 rows, `{metric}`", equal_or_not, (360,), metric)
        for metric in ("f1_macro", "roc_auc", "log_loss")
    ),
    *(
        Situation(f"equal models, no predictions, {folds} folds", folds_only, (folds,))
        for folds in (2, 3, 10)
    ),
    Situation("forest, only `train.seed` differs", other_seed, (RandomForestClassifier(10),)),
    Situation(
        "one random tree, only `train.seed` differs",
        other_seed,
        (DecisionTreeClassifier(max_features=1),),
        promise="",
    ),
    Situation("only `prepare.seed` differs, 1,800 rows", other_split, (1800,)),
    Situation("equal regressions, 90 test rows, `r2`", numbers, (90,), "r2"),
    Situation("equal regressions, 360 test rows, `mae`", numbers, (360,), "mae"),
    Situation("regression, only `prepare.seed` differs", numbers_other_split, (), "r2"),
    *(
        Situation(
            f"true +{gain:.2%}, {rows:,} test rows".replace("0%", "%"),
            *(equal_or_not, (rows, (0.85, 0.85 + gain))),
            promise="seen",
        )
        for rows, gain in ((360, 0.011), (2000, 0.0105), (360, 0.035), (360, 0.105))
    ),
]


def paired_test(before: Side, now: Side) -> bool:
    """Tell whether SciPy's binomial distribution calls a difference of accuracy, by mid-p."""
    right = []
    for side in (before, now):
        lines = [line.split(",") for line in side.test_rows.decode().splitlines()[1:]]
        right.append(np.array([line[1] == line[2] for line in lines]))
    gained, lost = (right[1] & ~right[0]).sum(), (right[0] & ~right[1]).sum()
    few, moved = min(gained, lost), gained + lost
    at_most = special.bdtr(few, moved, 0.5)
    fewer = special.bdtr(few - 1, moved, 0.5) if few else 0.0
    return bool(at_most + fewer < ALPHA and gained != lost)


def judge(situation: Situation, seed: int) -> tuple[bool, bool, bool]:
    """Return whether a difference was called, whether red, and what the paired test says."""
    before, now = situation.make(situation.metric, seed, *situation.arguments)
    evidence = weigh(before, now)
    rules = Rules(situation.metric, direction(situation.metric), LIMIT)
    said = decide(before.metrics, now.metrics, evidence, rules)
    same_rows = before.test_rows and not evidence.other_rows and situation.metric == "accuracy"
    is_called = bool(said.interval and said.interval.sign)
    return is_called, said.fails, bool(same_rows) and paired_test(before, now)


def run(situation: Situation, first: int, histories: int) -> Array:
    """Judge a block of histories: how many were called, red, called by the paired test."""
    found = [judge(situation, seed) for seed in range(first, first + histories)]
    return np.sum(found, axis=0)


def be_quick() -> None:
    """Fit with one thread per process, and without checks of what is made here."""
    threadpool_limits(1)
    set_config(assume_finite=True, skip_parameter_validation=True)


def main() -> int:
    """Print the table as Markdown."""
    histories = int(sys.argv[1]) if sys.argv[1:] else HISTORIES
    block, failed = max(1, histories // 8), 0
    print(f"| {histories:,} histories each | called | red at 0.05 | paired test | promise | |")
    print("|:--|--:|--:|--:|--:|:--|")
    with ProcessPoolExecutor(os.cpu_count(), initializer=be_quick) as pool:
        for situation in SITUATIONS:
            starts = range(0, histories, block)
            sizes = [min(block, histories - start) for start in starts]
            jobs = [
                pool.submit(run, situation, start, size)
                for start, size in zip(starts, sizes, strict=True)
            ]
            called, red, paired = np.sum([job.result() for job in jobs], axis=0) / histories
            error = 2 * math.sqrt(FALSE * (1 - FALSE) / histories)
            bound = {"false": FALSE + error, "seen": paired - POINTS, "": math.nan}
            promise = bound[situation.promise]
            kept = called >= promise if situation.promise == "seen" else called <= promise
            sign = "≥" if situation.promise == "seen" else "≤"
            words = f"{sign} {promise:.1%}" if situation.promise else "reported"
            failed += bool(situation.promise) and not kept
            verdict = ("pass" if kept else "FAIL") if situation.promise else ""
            other = f"{paired:.1%}" if paired else ""
            print(
                f"| {situation.name} | {called:.1%} | {red:.1%} | {other} | {words} | {verdict} |",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
