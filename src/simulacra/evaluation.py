"""A model and held-out data -> an Evaluation: every figure beside its floor and baseline, and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from math import isfinite, sqrt
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simulacra.data.estimate import FAR, About, Estimate, Measured, Measures, finite_rows
from simulacra.errors import SimulacraError, suggest
from simulacra.files import finite

if TYPE_CHECKING:
    from pathlib import Path

    from simulacra.data import Dataset, Split
    from simulacra.synthesizer import Synthesizer

IN_DOMAIN = "in-domain"
BOOTSTRAP = 60
FEWEST_SAMPLES = 50
FEWEST_HELD_OUT = 10
"""A kind whose metrics allow fewer is measured all the same, and the verdict says how weak its floor is."""

SCORED = 2_000
"""Held-out examples whose likelihood is computed: enough for an error of about 0.02 nats, and a few seconds' work."""

MANY_MISSING = 0.1
"""From a tenth of all modes or classes on, missing ones make the verdict "failed" and not "partly"."""


@dataclass(frozen=True)
class Figure:
    """One figure of the samples beside the same figure of real data; None where unknown.

    Args:
        value: The figure of the samples.
        low: Lower end of the 95 % interval, value - 1.96 standard errors, within the figure's range.
        high: Upper end of it.
        floor: The same measure of held-out real examples, or its exact value.
        baseline: The same measure of a simple model of the training split, such as one Gaussian.
        title: Name in tables.
        unit: "nats", "sd", "share", "count", "ratio" or "".
        better: "lower", "higher" or "match" (the nearer to the floor the better).
        tells: What it means.
    """

    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    baseline: float | None
    title: str
    unit: str
    better: Literal["lower", "higher", "match"]
    tells: str


@dataclass(frozen=True)
class Verdict:
    """Whether the model learned the data.

    Args:
        status: "learned": all modes or classes are there and every main figure is close to its floor; "failed": a
            main figure is far from it (or many groups are missing, or samples are not finite); "partly": between.
        text: One line in plain words.
        reasons: What is wrong, one clause a figure with its evidence; empty when learned.
    """

    status: Literal["learned", "partly", "failed"]
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All figures of one model, and the verdict.

    Args:
        figures: Name -> Figure, in the order of the kind's ABOUT.
        verdict: The verdict.
        n: Number of samples drawn.
        seed: Seed of the samples and of every subset, projection and resample.
        details: What lies behind the figures: shares of modes or classes, nearest training examples.
        timing: Seconds: "sample", "sample_1000" (per 1,000 samples), "measure", "score".
        baseline: What the figures' baseline is, in words.
        examples: Those samples that `details` names, by row, for the report; they are left out of the JSON.
    """

    figures: dict[str, Figure]
    verdict: Verdict
    n: int
    seed: int
    details: dict[str, Any]
    timing: dict[str, float]
    baseline: str = "one Gaussian"
    examples: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able dict, keys always in the same order, null for what is not finite."""
        data = asdict(replace(self, examples={}))
        del data["examples"]
        return finite(data)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evaluation:
        """The Evaluation that `to_json` wrote."""
        try:
            verdict = data["verdict"]
            return cls(
                figures={name: Figure(**figure) for name, figure in data["figures"].items()},
                verdict=Verdict(verdict["status"], verdict["text"], tuple(verdict["reasons"])),
                **{key: data[key] for key in ("n", "seed", "details", "timing")},
                **{key: data[key] for key in ("baseline",) if key in data},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise SimulacraError(f"the evaluation is damaged ({error}); evaluate the run again") from None

    def __str__(self) -> str:
        rows = [("figure", "value", "95 % interval", "floor", self.baseline, "what it means")]
        for f in self.figures.values():
            value, low, high, floor, baseline = (show(v, f.unit) for v in (f.value, f.low, f.high, f.floor, f.baseline))
            interval = "-" if f.low is None else f"{low} to {high}"
            rows.append((f.title, value, interval, floor, baseline, f.tells))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join([title.ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells, widths[1:], strict=True)), tells])
            for title, *cells, tells in rows
        ]
        return "\n".join([*lines, "", self.verdict.text])


def show(value: float | None, unit: str) -> str:
    """A figure as people read it: per cent for shares, whole numbers for counts, two or three digits otherwise."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "count":
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.1 else f"{value:.2g}"


def evaluate(
    model: Synthesizer, holdout: Split | None = None, *, n: int | None = None, seed: int = 0,
    features: str = IN_DOMAIN, weights: str | Path | None = None,
) -> Evaluation:  # fmt: skip
    """Draw samples, measure them beside real data and a simple baseline, and judge.

    Args:
        model: A fitted model; it is asked for labels, where it has them, at their training shares.
        holdout: Real examples that the model has not seen; the dataset's own by default.
        n: Samples to draw; by default 50,000 for a toy density, else as many as there are held-out examples
            (at most 50,000 points or 10,000 images); of a table as many as there are training rows, at most 20,000.
        seed: Seed of samples and measures: the same seed gives the same Evaluation, timing apart.
        features: Of images: "in-domain", those of a classifier of the data themselves (of their pixels without
            labels), or "inception" for figures in Inception's beside them, of at most 1,000 samples on a CPU.
        weights: File of Inception's weights, as torch-fidelity publishes them; its own cache if None.

    Raises:
        SimulacraError: if n is too small, the holdout is too short, or the dataset or Inception cannot be had.
    """
    if n is not None and n < FEWEST_SAMPLES:
        raise SimulacraError(f"n is {n}, but figures need at least {FEWEST_SAMPLES} samples; ask for that many or more")
    dataset = model.dataset_ if holdout is None else replace(model.dataset_, holdout=holdout)
    metrics = import_module(f"simulacra.data.{dataset.kind}.metrics")
    fewest = getattr(metrics, "FEWEST_HELD_OUT", FEWEST_HELD_OUT)
    if len(dataset.holdout) < fewest:
        raise SimulacraError(
            f"{dataset.name}: {len(dataset.holdout)} held-out examples are too few to measure a floor "
            f"(at least {fewest}); load more data or hold out a larger part of it"
        )
    about: dict[str, About] = metrics.ABOUT
    count = metrics.default_n(dataset) if n is None else n
    asked = _inception(metrics, dataset, features, weights, str(model.device_) if features != IN_DOMAIN else "cpu")

    start = perf_counter()
    measure, floor, baseline = references(dataset, count, seed, **asked)
    prepared = perf_counter()
    labels = labels_for(model, count, seed)
    samples = draw(model, count, seed)
    sampled = perf_counter()
    spoilt = int((~finite_rows(samples)).sum())
    ours: Measured = Measured({}, {}) if spoilt else measure(samples, labels=labels, bootstrap=BOOTSTRAP)
    columns = {
        name: (ours.estimates.get(name, Estimate(float("nan"))), floor[name].value, baseline[name].value)
        for name in floor
        if name != "label_accuracy" or labels is not None
    }
    columns |= {name: (columns[name][0], exact, columns[name][2]) for name, exact in measure.exact.items()}
    measured = perf_counter()
    if "log_likelihood" in about and model.score_name_ is not None:
        columns["log_likelihood"] = log_likelihood(model, dataset, metrics, seed)
    scored = perf_counter()

    figures = {name: figure(about[name], *columns[name]) for name in about if name in columns}
    if model.score_name_ is not None and "bound" in model.score_name_ and "log_likelihood" in figures:
        figures["log_likelihood"] = replace(figures["log_likelihood"], title=model.score_name_)
    details = {**ours.details, "floor_n": len(measure.real)}
    if spoilt:
        details["not_finite"] = spoilt
    if hasattr(metrics, "codec_floor"):
        details["codec"] = metrics.codec_floor(measure, model.codec_)
    ended = perf_counter()
    timing = {
        "sample": sampled - prepared,
        "sample_1000": (sampled - prepared) * 1000 / count,
        "measure": measured - sampled + prepared - start + ended - scored,
        "score": scored - measured,
    }
    name = metrics.BASELINE
    verdict = judge(figures, about, details, n=count, labelled=labels is not None, baseline=name)
    examples = {row: samples[row] for row in rows_named(details)}
    return Evaluation(figures, verdict, count, seed, details, timing, name, examples)


def labels_for(model: Synthesizer, n: int, seed: int) -> np.ndarray | None:
    """Class ids that a model is asked for, (n,), drawn from its training data; None for a model without labels.

    The first of them are the same for every n.
    """
    labels = model.dataset_.train.labels
    if labels is None or not model.codec_.space.num_classes:
        return None
    return labels[(np.random.default_rng([seed, 29]).random(n) * len(labels)).astype(np.int64)]


def draw(model: Synthesizer, n: int, seed: int) -> Any:
    """n samples, an array or a Table, of the labels that `labels_for` gives where the model has any.

    Row i is sample i of an Evaluation.
    """
    labels = labels_for(model, n, seed)
    if labels is None:
        return model.draw_values(n, seed=seed)
    return model.draw_values(n, label=np.array(model.dataset_.classes, dtype=object)[labels], seed=seed)


def _inception(metrics: Any, dataset: Dataset, features: str, weights: Any, device: str) -> dict[str, Any]:
    """What `measures` needs to know where other features are asked for."""
    known = getattr(metrics, "FEATURES", (IN_DOMAIN,))
    if features not in known:
        raise SimulacraError(f'{dataset.name}: no features "{features}" for {dataset.kind}: {suggest(features, known)}')
    if features == IN_DOMAIN:
        if weights is not None:
            raise SimulacraError(f"{weights}: weights are those of Inception; ask for its features (inception) too")
        return {}
    return {"features": features, "weights": None if weights is None else str(weights), "device": device}


def rows_named(details: dict[str, Any]) -> list[int]:
    """Rows of the samples that details name."""
    spaces = details.get("nearest", {}).values()
    return sorted({pair["sample"] for space in spaces for pair in [*space["first"], *space["closest"]]})


@lru_cache(maxsize=1)
def references(
    dataset: Dataset, n: int, seed: int, **asked: Any
) -> tuple[Measures, dict[str, Estimate], dict[str, Estimate]]:
    """The measures, the floor and the baseline; kept, because models of the same data are compared."""
    measure: Measures = import_module(f"simulacra.data.{dataset.kind}.metrics").measures(dataset, n, seed, **asked)
    floor = measure(measure.real, labels=measure.real_labels).estimates
    return measure, floor, measure(measure.baseline, labels=measure.baseline_labels).estimates


def log_likelihood(model: Synthesizer, dataset: Dataset, metrics: Any, seed: int) -> tuple[Estimate, float, float]:
    """Mean log density of held-out examples under the model, the exact density (nan if unknown) and one Gaussian."""
    scored = dataset.holdout.take(np.random.default_rng([seed, 23]).permutation(len(dataset.holdout))[:SCORED])
    # A conditional model scores an example given its label.
    labels = {"labels": scored.labels} if model.codec_.space.num_classes else {}
    scores = np.asarray(model.score_samples(scored.values, **labels), dtype=np.float64)
    exact, gaussian = metrics.likelihoods(dataset, scored.values)
    with np.errstate(invalid="ignore"):  # a density of zero is shown as unknown, not warned of
        ours = Estimate(float(scores.mean()), float(scores.std(ddof=1) / sqrt(len(scores))))
    return ours, float("nan") if exact is None else float(exact.mean()), float(gaussian.mean())


def figure(about: About, estimate: Estimate, floor: float, baseline: float) -> Figure:
    """A Figure from its parts; what is not finite becomes None."""
    value, floor_, baseline_ = (float(v) if isfinite(v) else None for v in (estimate.value, floor, baseline))
    low = high = None
    if value is not None and isfinite(estimate.error):
        low = max(value - 1.96 * estimate.error, about.range[0])
        high = min(value + 1.96 * estimate.error, about.range[1])
    return Figure(value, low, high, floor_, baseline_, about.title, about.unit, about.better, about.tells)


def distance(figure: Figure, about: About) -> float:
    """How far a figure is from its floor, in units of what is forgiven: up to 1 is close, beyond `FAR` is far."""
    if figure.value is None or figure.floor is None:
        return float("inf")
    above = figure.value - figure.floor
    worse = {"lower": above, "higher": -above, "match": abs(above)}[figure.better]
    gap = 0.0 if figure.baseline is None else abs(figure.baseline - figure.floor)
    forgiven = max(about.tolerance, about.share * gap)
    if worse <= 0:
        return 0.0
    return worse / forgiven if forgiven > 0 else float("inf")


def _misleading(figures: dict[str, Figure], about: dict[str, About]) -> bool:
    """Whether single columns look right and a classifier tells rows apart all the same."""
    shapes, detection = (distance(figures[name], about[name]) for name in ("shapes", "detection"))
    return shapes <= 1 < detection


def judge(
    figures: dict[str, Figure], about: dict[str, About], details: dict[str, Any], *, n: int, labelled: bool = False,
    baseline: str = "one Gaussian",
) -> Verdict:  # fmt: skip
    """The verdict on figures; the limits are those in ABOUT.

    Args:
        figures: Name -> Figure.
        about: The kind's ABOUT.
        details: Those of `Measured`; "groups", "shares", "missing", "floor_n" and "not_finite" are read.
        n: Number of samples.
        labelled: Whether labels at their training shares were given to the model.
        baseline: What the figures' baseline is.
    """
    if details.get("not_finite"):
        reason = f"{details['not_finite']} of {n} samples are not finite numbers"
        advice = "training has most likely diverged, so train again with a lower learning rate"
        return Verdict("failed", f"Failed: {reason}; {advice}.", (reason,))
    groups, missing, shares = details.get("groups", ""), details.get("missing", []), details.get("shares", {})
    reasons, good, worst = [], [], 0.0
    if missing:
        names = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        # Where nothing is covered the samples are elsewhere altogether, which is not called mode collapse.
        kind = " (mode collapse)" if len(missing) < len(shares) else ""
        verb = "is" if len(missing) == 1 else "are"
        reasons.append(f"{len(missing)} of {len(shares)} {groups} {verb} missing{kind}: {names}")
        worst = float("inf") if len(missing) >= MANY_MISSING * len(shares) else 1.1
    elif groups:
        every = {1: f"the only one of the {groups}", 2: f"both {groups}"}.get(
            len(shares), f"all {len(shares)} {groups}"
        )
        good.append(f"{every} covered")
    main = {name: f for name, f in figures.items() if about[name].main and name != "modes"}
    for name, f in main.items():
        apart = distance(f, about[name])
        said = about[name].phrase.format(value=show(f.value, f.unit), floor=show(f.floor, f.unit))
        if apart > 1:
            beside = f" [{baseline}: {show(f.baseline, f.unit)}]" if about[name].share else ""
            reasons.append(f"{about[name].fault}: {said}{beside}")
            worst = max(worst, apart)
        else:
            good.append(said)
    remarks = []
    if "detection" in main and "shapes" in main and _misleading(figures, about):
        shapes = show(figures["shapes"].value, figures["shapes"].unit)
        remarks.append(
            f"Column shapes of {shapes} alone are no evidence of good rows: a classifier tells these from real ones."
        )
    if details.get("floor_n", n) < min(FEWEST_HELD_OUT, n):
        remarks.append(
            f"Only {details['floor_n']} real examples were held out: the floor is weak, and these figures are hints."
        )
    elif details.get("floor_n", n) < n:
        remarks.append(f"The floor rests on {details['floor_n']} real examples, fewer than the {n} samples.")
    if len(main) == 1:
        remarks.append("This rests on one figure alone; look at the samples.")
    score = figures.get("log_likelihood")
    if score is not None and score.baseline is not None:
        ours, gaussian = show(score.value, score.unit), show(score.baseline, score.unit)
        if score.value is None:
            remarks.append(f"The {score.title} is not finite.")
        elif score.value < score.baseline - about["log_likelihood"].tolerance:
            remarks.append(f"The {score.title} ({ours} nats) is below one Gaussian's ({gaussian} nats).")
    if labelled and groups == "classes":
        remarks.append("The labels were given to the model, so the class shares alone prove little.")
    status = "learned" if not reasons else "failed" if worst > FAR else "partly"
    start = {"learned": "Learned", "partly": "Learned in part", "failed": "Failed"}[status]
    text = f"{start}: {'; '.join(reasons or good)}."
    if status == "partly" and good:
        text += f" What is right: {'; '.join(good)}."
    return Verdict(status, " ".join([text, *remarks]), tuple(reasons))
