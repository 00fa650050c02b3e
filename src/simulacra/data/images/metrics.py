"""How near generated images are to real ones, in features: Frechet distance, manifolds, copies, class shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulacra.data.estimate import (
    About,
    Array,
    Estimate,
    Measured,
    Measures,
    bootstrap_error,
    choose,
    covered,
    mean_estimate,
)
from simulacra.space import Batch

if TYPE_CHECKING:
    from simulacra.data import Dataset

MOST = 10_000
BLOCK = 1 << 21  # distances computed at a time: 8 MB, which a processor's cache nearly holds
PR_NEIGHBOUR = 3
DC_NEIGHBOUR = 5
COPY_PERCENTILE = 1.0
SHOWN = 16

ABOUT: dict[str, About] = {
    "frechet": About(
        title="Fréchet distance",
        unit="",
        better="lower",
        tells="distance between samples and data as Gaussians in feature space (64 features of variance 1)",
        phrase="Fréchet distance {value} beside a floor of {floor}",
        source="Heusel et al. 2017, on features of a classifier of this very data",
        fault="samples differ from the data",
        main=True,
        share=0.1,
        tolerance=1.0,
        reason="1 of 64 is what moving every feature by an eighth of its standard deviation costs",
    ),
    "precision": About(
        title="precision",
        unit="share",
        better="higher",
        tells="samples that lie among real examples: how real they look",
        phrase="precision {value} beside a floor of {floor}",
        source="Kynkäänniemi et al. 2019, k = 3",
        fault="many samples look like no real example",
        main=True,
        range=(0.0, 1.0),
        share=0.2,
        tolerance=0.1,
        reason="a tenth fewer realistic samples than among real ones is about what an eye misses in a sheet of 64",
    ),
    "recall": About(
        title="recall",
        unit="share",
        better="higher",
        tells="real examples that lie among samples: how varied the samples are",
        phrase="recall {value} beside a floor of {floor}",
        source="Kynkäänniemi et al. 2019, k = 3",
        fault="samples are less varied than the data",
        main=True,
        range=(0.0, 1.0),
        share=0.2,
        tolerance=0.2,
        reason="recall counts outliers of the data too, and losing a few of those is no collapse",
    ),
    "density": About(
        title="density",
        unit="ratio",
        better="match",
        tells="how densely real examples surround samples, 1 as among real ones; above it, samples are too typical",
        phrase="density {value} beside a floor of {floor}",
        source="Naeem et al. 2020, k = 5",
    ),
    "coverage": About(
        title="coverage",
        unit="share",
        better="higher",
        tells="real examples that have a sample nearer than their 5th nearest real neighbour",
        phrase="coverage {value} beside a floor of {floor}",
        source="Naeem et al. 2020, k = 5",
        range=(0.0, 1.0),
    ),
    "nearest_train": About(
        title="nearest training example",
        unit="ratio",
        better="match",
        tells="median distance to it over that of held-out examples: 1 is ideal, well under 1 means copies",
        phrase="the nearest training example is {value} times as far as from real ones",
        source="Meehan et al. 2020, in spirit; an overfitting check, no proof of privacy",
    ),
    "copies": About(
        title="copies",
        unit="share",
        better="lower",
        tells="samples nearer to a training example than 99 % of held-out examples are; the floor is 1 % so defined",
        phrase="{value} of samples are near-copies ({floor} of real ones)",
        source="distance to the closest record; an overfitting check, no proof of privacy",
        fault="the model repeats training examples (memorisation)",
        main=True,
        range=(0.0, 1.0),
        tolerance=0.1,
        reason="smooth samples lie nearer to typical training examples than real ones do, so a few per cent are normal",
    ),
    "class_tv": About(
        title="class shares off by",
        unit="share",
        better="lower",
        tells="samples that would have to change class (as the classifier sees them) to match the training shares",
        phrase="class shares off by {value} (real ones: {floor})",
        source="total variation distance",
        fault="classes are unevenly learned",
        main=True,
        range=(0.0, 1.0),
        tolerance=0.1,
        reason="a perfect model is off by about 6 % with 360 samples of ten classes, from chance alone",
    ),
    "class_share_min": About(
        title="rarest class",
        unit="share",
        better="match",
        tells="share of the class that has fewest samples",
        phrase="the rarest class has {value} of samples ({floor} of real ones)",
        source="classifier's decision",
        range=(0.0, 1.0),
    ),
    "class_share_max": About(
        title="commonest class",
        unit="share",
        better="match",
        tells="share of the class that has most samples",
        phrase="the commonest class has {value} of samples ({floor} of real ones)",
        source="classifier's decision",
        range=(0.0, 1.0),
    ),
}


def default_n(dataset: Dataset) -> int:
    """Samples to measure: as many as held-out examples, within 50 and 10,000."""
    return int(np.clip(len(dataset.holdout), 50, MOST))


class Moments(NamedTuple):
    """Mean (k,), covariance (k, k) and its symmetric square root (k, k) of features."""

    mean: Array
    cov: Array
    root: Array


def moments(features: Array) -> Moments:
    """The moments of features (n, k), n at least 2."""
    features = np.asarray(features, dtype=np.float64)
    cov = np.atleast_2d(np.cov(features.T))
    values, vectors = np.linalg.eigh(cov)
    return Moments(features.mean(axis=0), cov, vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T)


def frechet(mean: Array, cov: Array, reference: Moments) -> float:
    r"""Fréchet (2-Wasserstein, squared) distance between two Gaussians.

    .. math:: \|\mu_1 - \mu_2\|^2 + tr(S_1 + S_2) - 2 tr\left( (S_2^{1/2} S_1 S_2^{1/2})^{1/2} \right)

    The symmetric form has real, non-negative eigenvalues; the usual square root of S_1 S_2 may turn complex.

    Args:
        mean: Mean of the samples, (k,).
        cov: Covariance of the samples, (k, k).
        reference: Moments of the real examples.

    Source: Dowson and Landau 1982; Heusel et al. 2017.
    """
    shared = np.linalg.eigvalsh(reference.root @ cov @ reference.root)
    trace = np.trace(cov) + np.trace(reference.cov) - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return float(max(((mean - reference.mean) ** 2).sum() + trace, 0.0))


def distances(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """Squared distances between rows of a (n, k) and b (m, k), in blocks (rows, m) with the rows they belong to.

    Rounding makes some of them a little negative.
    """
    # |a - b|^2 = |a|^2 - 2 a.b + |b|^2 as one product, with both squares as further columns.
    left = np.concatenate([-2 * a, (a * a).sum(axis=1, keepdims=True), np.ones_like(a[:, :1])], axis=1)
    right = np.concatenate([b, np.ones_like(b[:, :1]), (b * b).sum(axis=1, keepdims=True)], axis=1).T
    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        yield rows, left[rows] @ right


def radii(features: Array, neighbours: tuple[int, ...]) -> Array:
    """Squared distance from each row of features (n, k) to its nearest others by rank, 1 the nearest: (n, ranks)."""
    ranks = [min(rank, len(features) - 1) for rank in neighbours]  # rank 0 is the row itself
    out = np.empty((len(features), len(ranks)), dtype=features.dtype)
    for rows, block in distances(features, features):
        block[np.arange(len(block)), np.arange(len(features))[rows]] = 0  # exactly, whatever the rounding
        out[rows] = np.partition(block, sorted(set(ranks)), axis=1)[:, ranks]
    return out


class Manifold:
    r"""Where real examples lie: balls around them that reach to their k-th nearest neighbour among themselves.

    Precision is the share of samples within any real ball, recall the share of real examples within any sample's
    ball (k = 3, Kynkäänniemi et al. 2019). Density is :math:`\frac{1}{kM} \sum_j |\{i : y_j \in B_i\}|`, how many
    real balls hold a sample, coverage the share of real balls that hold one (k = 5, Naeem et al. 2020).

    Args:
        real: Features of real examples, (m, k).
    """

    def __init__(self, real: Array) -> None:
        self.real, self.radii = real, radii(real, (PR_NEIGHBOUR, DC_NEIGHBOUR))

    def __call__(self, samples: Array) -> dict[str, Array]:
        """An item's contribution, whose means are the figures: precision, density (n,), recall, coverage (m,)."""
        reach = radii(samples, (PR_NEIGHBOUR,))
        precision, density = np.zeros(len(samples)), np.zeros(len(samples))
        recall, coverage = np.zeros(len(self.real), dtype=bool), np.zeros(len(self.real), dtype=bool)
        for rows, block in distances(samples, self.real):
            precision[rows] = (block <= self.radii[:, 0]).any(axis=1)
            inside = block <= self.radii[:, 1]
            density[rows] = inside.sum(axis=1) / DC_NEIGHBOUR
            coverage |= inside.any(axis=0)
            recall |= (block <= reach[rows]).any(axis=0)
        return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def nearest(features: Array, others: Array) -> tuple[Array, Array]:
    """Index of the nearest of `others` (m, k) and its distance, for each row of features (n, k): (n,), (n,)."""
    index, distance = np.empty(len(features), dtype=np.int64), np.empty(len(features))
    for rows, block in distances(features, others):
        index[rows] = block.argmin(axis=1)
        distance[rows] = np.take_along_axis(block, index[rows][:, None], axis=1)[:, 0]
    return index, np.sqrt(np.maximum(distance, 0))


class ImageMeasures:
    """The figures of images. The reference is the training split; at most 10,000 of it where neighbours are sought."""

    exact: dict[str, float]

    def __init__(self, dataset: Dataset, n: int, seed: int) -> None:
        from simulacra.data.images.features import extractor  # imports torch

        self.seed, self.extract, self.classes = seed, extractor(dataset), dataset.classes
        self.train, _ = self.extract(dataset.train.values)
        self.moments = moments(self.train)
        self.manifold = Manifold(self.train[choose(len(self.train), min(n, MOST), seed)])
        held_out, seen = self.extract(dataset.holdout.values)
        _, apart = nearest(held_out, self.train)
        self.typical = max(float(np.median(apart)), 1e-12)
        self.threshold = float(np.percentile(apart, COPY_PERCENTILE))
        self.exact = {"copies": COPY_PERCENTILE / 100}
        self.real = dataset.holdout.values[choose(len(dataset.holdout), n, seed)]
        self.gaussian = gaussian_images(dataset, n, seed)
        self.accuracy: float | None = None
        if seen is not None and dataset.train.labels is not None and dataset.holdout.labels is not None:
            self.accuracy = float((seen == dataset.holdout.labels).mean())
            self.expected = np.bincount(dataset.train.labels, minlength=len(self.classes)) / len(dataset.train)

    def __call__(self, values: Array, *, bootstrap: int = 0) -> Measured:
        """Figures of images (n, ...) of the dataset's shape and type."""
        features, seen = self.extract(values)
        ours = moments(features)
        wide = features.astype(np.float64)

        def frechet_again(rng: np.random.Generator) -> float:
            rows = wide[rng.integers(0, len(wide), len(wide))]
            return frechet(rows.mean(axis=0), np.atleast_2d(np.cov(rows.T)), self.moments)

        estimates = {
            "frechet": Estimate(
                frechet(ours.mean, ours.cov, self.moments), bootstrap_error(frechet_again, bootstrap, self.seed)
            )
        }
        items = self.manifold(features[choose(len(features), MOST, self.seed)])
        estimates |= {name: mean_estimate(item, bootstrap, self.seed) for name, item in items.items()}
        index, apart = nearest(features, self.train)
        ratio = apart / self.typical
        error = bootstrap_error(
            lambda rng: float(np.median(ratio[rng.integers(0, len(ratio), len(ratio))])), bootstrap, self.seed
        )
        estimates["nearest_train"] = Estimate(float(np.median(ratio)), error)
        estimates["copies"] = mean_estimate(apart < self.threshold, bootstrap, self.seed)

        def neighbours(samples: Array) -> list[dict[str, Any]]:
            return [{"sample": int(i), "train": int(index[i]), "distance": float(apart[i])} for i in samples]

        details: dict[str, Any] = {
            "features": self.extract.name,
            "classifier_accuracy": self.accuracy,
            "nearest": {
                "first": neighbours(np.arange(min(SHOWN, len(apart)))),
                "closest": neighbours(np.argsort(apart, kind="stable")[:SHOWN]),
                "typical": self.typical,
                "copy": self.threshold,
            },
        }
        if seen is not None and self.accuracy is not None:
            shares, more = self._classes(seen, bootstrap)
            estimates |= shares
            details |= more
        return Measured(estimates, details)

    def _classes(self, seen: Array, bootstrap: int) -> tuple[dict[str, Estimate], dict[str, Any]]:
        """Figures and details of class shares, from the class ids that the classifier sees, (n,)."""
        n = len(seen)
        shares = np.bincount(seen, minlength=len(self.classes)) / n
        figures = {
            "class_tv": lambda s: float(np.abs(s - self.expected).sum() / 2),
            "class_share_min": lambda s: float(s.min()),
            "class_share_max": lambda s: float(s.max()),
        }
        estimates = {
            name: Estimate(
                of(shares), bootstrap_error(lambda rng, of=of: of(rng.multinomial(n, shares) / n), bootstrap, self.seed)
            )
            for name, of in figures.items()
        }
        details = {
            "groups": "classes",
            "shares": dict(zip(self.classes, shares.tolist(), strict=True)),
            "expected": dict(zip(self.classes, self.expected.tolist(), strict=True)),
            "missing": [c for c, there in zip(self.classes, covered(shares, self.expected), strict=True) if not there],
        }
        return estimates, details


def measures(dataset: Dataset, n: int, seed: int) -> Measures:
    """The figures of images for n samples, references prepared; the seed draws subsets, baseline and bootstrap."""
    return ImageMeasures(dataset, n, seed)


def gaussian_images(dataset: Dataset, n: int, seed: int) -> Array:
    """n draws from one Gaussian with the pixels' mean and covariance, clipped and rounded to the images' type.

    A draw is mean + z X / sqrt(m - 1) with X the centred (m, pixels) and z normal: it has the covariance of m training
    images (at most 4,096) without that matrix ever being built.
    """
    from simulacra.data.images.codec import Codec

    codec = Codec.fit(dataset.train, 0)
    rng = np.random.default_rng([seed, 17])
    x = codec.encode(dataset.train.values[choose(len(dataset.train), 4096, seed)]).x
    mean, centred = x.mean(axis=0), (x - x.mean(axis=0)).reshape(len(x), -1) / np.sqrt(max(len(x) - 1, 1))
    parts = []
    for start in range(0, n, 512):
        z = rng.standard_normal((min(512, n - start), len(x)), dtype=np.float32)
        draws = mean + (z @ centred).reshape(-1, *x.shape[1:])
        parts.append(codec.decode(Batch(draws.astype(np.float32), np.zeros((len(z), 0), dtype=np.int64))))
    return np.concatenate(parts)
