"""What a report shows of points: samples over the exact density, their timeline, and what a model has learned inside.

`pictures`, `frames` and `insight` are what a report asks every kind of data for; `plots` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit

from simulacra.data.drawing import REAL, Picture
from simulacra.data.points import plots
from simulacra.data.points.plots import Limits, grid_points

MOST_FRAMES = 12
NUM_SAMPLES = 5000  # a histogram needs that many, a scatter no more
# losses whose best discriminator is p / (p + q); the relativistic one sees differences of logits, so up to a constant
_LOG_LOSSES = ("minimax", "non-saturating", "relativistic")


def num_samples(evaluation: Any) -> int:
    """Samples that `pictures` can use."""
    return NUM_SAMPLES


def pictures(samples: np.ndarray, dataset: Any, details: dict[str, Any] | None = None) -> list[Picture]:
    """The samples beside the exact density, or beside held-out data where there is none.

    Args:
        samples: What the model made, (n, d), in data units.
        dataset: The Dataset that it learned.
        details: `Evaluation.details`; not needed here.
    """
    limits, density = limits_of(dataset), dataset.density
    real = dataset.holdout.values
    if samples.shape[1] == 1:
        against = "the exact density" if density else "held-out data"
        drawn = plots.histogram(samples, limits=limits, density=density, real=real)
        return [Picture("Samples", f"Histogram of {len(samples):,} samples against {against}.", drawn)]
    if samples.shape[1] == 2:
        rows = min(len(samples), len(real), plots.MOST_DOTS)
        under = " over the exact density (grey)" if density else ""
        return [
            Picture(
                "Samples",
                f"{rows:,} samples of the model{under}.",
                plots.scatter(samples, limits=limits, density=density),
            ),
            Picture(
                "Real data",
                f"{rows:,} held-out examples, drawn in the same way: what a perfect model would show.",
                plots.scatter(real, limits=limits, colour=REAL, name="held-out data"),
            ),
        ]
    shown = min(samples.shape[1], 6)
    found = [
        Picture(
            f"Column {k}", "Histogram of one column, samples against held-out data.", plots.column(samples, real, k)
        )
        for k in range(shown)
    ]
    pairs = [(0, 1), (0, 2), (1, 2)]
    return found + [
        Picture(f"Columns {i} and {j}", "How two columns go together.", plots.pair(samples, real, i, j, limits))
        for i, j in pairs
    ]


def frames(snapshots: Sequence[np.ndarray], dataset: Any) -> list[Figure]:
    """One small figure for each snapshot of samples, all with the same axes."""
    limits, density = limits_of(dataset), dataset.density
    size = {"width": 4.0, "height": 3.0, "bare": True}
    if snapshots and snapshots[0].shape[1] == 1:
        return [
            plots.histogram(v, limits=limits, density=density, real=dataset.holdout.values, **size) for v in snapshots
        ]
    size["height"] = 3.8
    return [plots.scatter(v[:, :2], limits=limits[:2], density=density, most=1500, **size) for v in snapshots]


def insight(model: Any, dataset: Any, samples: np.ndarray) -> list[Picture]:
    """What the model has learned inside, for 1-D and 2-D points: D(x), the denoiser, the field, the density.

    Args:
        model: Anything with `family`, `config_`, `codec_` and the methods `discriminate`, `denoise` and
            `score_samples` of its family.
        dataset: The Dataset that it learned.
        samples: What the model made, (n, d).
    """
    dim = samples.shape[1]
    if dim > 2:
        return []
    limits = limits_of(dataset)
    if model.family == "gan":
        return _of_gan(model, dataset, samples, limits)
    if model.family == "diffusion":
        return _of_diffusion_1d(model, dataset, limits) if dim == 1 else _of_diffusion_2d(model, dataset, limits)
    return _of_density(model, dataset, limits)


def limits_of(dataset: Any) -> Limits:
    """The range of the axes: the density's bounds, or the training data's 0.1 to 99.9 % range and a margin."""
    if dataset.density is not None:
        return tuple((float(low), float(high)) for low, high in dataset.density.bounds)
    low, high = np.quantile(dataset.train.values, [0.001, 0.999], axis=0)
    margin = 0.12 * np.where(high > low, high - low, 1.0)
    return tuple(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))


def _of_gan(model: Any, dataset: Any, samples: np.ndarray, limits: Limits) -> list[Picture]:
    loss = str(getattr(model.config_, "loss", ""))
    if len(limits) == 2:
        points, side = grid_points(limits, 80)
        d = model.discriminate(points).reshape(side)
        told = "1/2 everywhere is a generator that cannot be told from the data"
        return [
            Picture("Discriminator", f"D(x) over the plane, with samples: {told}.", plots.judged(d, samples, limits))
        ]
    grid = np.linspace(*limits[0], 400)
    d = model.discriminate(grid[:, None])
    ideal, told = None, ""
    if loss in _LOG_LOSSES:
        ideal = best_discriminator(grid, samples[:, 0], dataset)
        told = "The dashed line is the best possible answer, p / (p + q), with q from the samples. "
    if loss == "relativistic" and ideal is not None:
        d = without_constant(d, ideal)
        told += "The relativistic loss leaves a constant of the logit open; it is set to fit that line. "
    return [
        Picture(
            "Discriminator",
            f"D(x), how real the discriminator finds x. {told}"
            "Both are 1/2 where the model's density q meets the data's p.",
            plots.verdicts(grid, d, ideal),
        )
    ]


def without_constant(d: np.ndarray, ideal: np.ndarray) -> np.ndarray:
    """D with its logit shifted by the constant, the median difference, that brings it nearest to the ideal's: (m,).

    Args:
        d: Probabilities, (m,).
        ideal: Probabilities, (m,); nan where unknown.

    Source: for pairs, E[softplus(D(y) - D(x))] is least at D = log(p / q) + any constant (Jolicoeur-Martineau 2018).
    """
    known = np.isfinite(ideal) & (ideal > 0) & (ideal < 1)
    if not known.any():
        return d
    logits = logit(np.clip(d, 1e-9, 1 - 1e-9))
    return expit(logits - np.median(logits[known] - logit(ideal[known])))


def best_discriminator(grid: np.ndarray, samples: np.ndarray, dataset: Any) -> np.ndarray:
    r"""The best discriminator between data and samples on a 1-D grid, :math:`D^*(x) = p(x) / (p(x) + q(x))`.

    p is the exact density (or held-out data) and q the samples, both smoothed by the same small kernel so that the
    smoothing leaves the ratio at 1/2 where they agree. nan where neither has any weight to speak of.

    Args:
        grid: Evenly spaced, (m,).
        samples: (n,).

    Source: Goodfellow et al. 2014, proposition 1.
    """
    step = grid[1] - grid[0]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    width = 1.2 * len(samples) ** -0.2 * len(grid) / 16  # in grid cells, shrinking as samples grow
    q = np.histogram(samples, edges)[0] / (len(samples) * step)
    if dataset.density is not None:
        p = np.exp(dataset.density.log_prob(grid[:, None]))
    else:
        p = np.histogram(dataset.holdout.values[:, 0], edges)[0] / (len(dataset.holdout.values) * step)
    p, q = (gaussian_filter1d(v.astype(float), width, mode="constant") for v in (p, q))
    total = p + q
    return np.where(total > 2e-3 * total.max(), p / np.maximum(total, 1e-300), np.nan)


def _of_diffusion_1d(model: Any, dataset: Any, limits: Limits) -> list[Picture]:
    scale = float(np.exp(model.codec_.log_scale))  # data units for one unit of model space
    sigmas = _sigmas(model, 48)
    centre = float(dataset.train.values.mean())
    reach = 4.0 * scale
    x = np.linspace(centre - reach, centre + reach, 161)
    denoised = np.stack([model.denoise(x[:, None], float(s))[:, 0] for s in sigmas])  # (sigmas, x)
    picture = Picture(
        "Vector field over noise levels",
        "Read from right (noise) to left (data): the lines are paths of the probability-flow equation "
        "dx / d ln σ = x - D(x; σ), the colour is its right side. They part where the model decides for a mode.",
        plots.flow(x, sigmas, denoised, unit=scale),
    )
    chosen = [0.1, 0.3, 1.0]
    grid = np.linspace(*limits[0], 240)
    learned = [model.denoise(grid[:, None], s)[:, 0] for s in chosen]
    oracle = getattr(dataset.density, "denoise", None)
    ideal = [oracle(grid[:, None], s * scale)[:, 0] for s in chosen] if oracle else None
    beside = "; dashed is the exact posterior mean E[x | noisy x]" if oracle else ""
    caption = f"What the denoiser makes of a noisy value, at three noise levels{beside}."
    return [picture, Picture("Denoiser", caption, plots.denoiser(grid, chosen, learned, ideal))]


def _of_diffusion_2d(model: Any, dataset: Any, limits: Limits) -> list[Picture]:
    found = []
    for sigma in (1.0, 0.3, 0.1):
        points, _ = grid_points(limits, 21)
        found.append(
            Picture(
                f"Vector field at noise level σ = {sigma:g}",
                "Arrows point from a noisy value to its denoised one, D(x; σ) - x, coloured by length "
                "(σ in units of the standardised data).",
                plots.field(points, model.denoise(points, sigma), limits, density=dataset.density),
            )
        )
    return found


def _of_density(model: Any, dataset: Any, limits: Limits) -> list[Picture]:
    points, side = grid_points(limits, 56 if len(limits) == 2 else 240)
    name = str(model.score_name_ or "log-likelihood")
    learned = np.exp(model.score_samples(points)).reshape(side)
    caption = f"The model's own density, from its {name}"
    if len(limits) == 2:
        return [Picture("Density of the model", f"{caption}.", plots.heat(learned, limits))]
    drawn = plots.densities(points[:, 0], learned, dataset.density)
    return [Picture("Density of the model", f"{caption}{', beside the exact one' if dataset.density else ''}.", drawn)]


def _sigmas(model: Any, count: int) -> np.ndarray:
    low = max(0.02, float(getattr(model.config_, "sigma_min", 0.02)))
    high = min(5.0, float(getattr(model.config_, "sigma_max", 5.0)))
    return np.geomspace(low, max(high, 2 * low), count)
