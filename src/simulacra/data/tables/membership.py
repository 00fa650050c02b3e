"""Was this row learned from? Attacks on membership: scores of training rows and of rows never seen, higher is likelier.

They are pure functions of coded rows (`likeness.code`); their randomness is passed in.
"""

from __future__ import annotations

import numpy as np

from simulacra.data.tables.likeness import Coded, nearest
from simulacra.data.tables.privacy import FPR, SURE, Attack, auc_interval, true_positives
from simulacra.data.tables.trees import area, classifier, regressor


def density_scores(
    real: Coded, synthetic: Coded, reference: Coded, *, own: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    r"""How much denser the synthetic rows are about each real row than the reference rows are, (n,).

    .. math:: \log d_{\text{reference}}(x) - \log d_{\text{synthetic}}(x)

    with d the distance to the nearest row: up to a constant and noise, the density ratio p_synthetic / p_reference by
    nearest neighbours, in a space of one dimension.

    Args:
        real: Rows whose membership is in question.
        synthetic: What the model made.
        reference: Real rows that the model has not seen, which an attacker may have too.
        own: Where the rows are themselves the reference, the number of each among it, (n,), which is passed over. Where
            they are not, None: each then passes over a random one, so that all are compared with equally many.
        rng: For that choice.

    Source: van Breugel et al. 2023, "Membership inference attacks against synthetic data through overfitting detection"
    (DOMIAS).
    """
    but = rng.integers(0, len(reference), len(real)) if own is None else own
    near = nearest(real.points, synthetic.points)
    return (np.log(nearest(real.points, reference.points, but=but)) - np.log(near)) / 2


def ratio_scores(
    members: Coded, controls: Coded, synthetic: Coded, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same ratio from boosted trees that tell synthetic from reference rows: scores of members and of controls.

    The controls are the reference too: one half of them is learned from while the other and half of the members are
    scored, then the other way round.
    """
    found = [np.empty(len(members)), np.empty(len(controls))]
    halves = [rng.permutation(len(rows)) % 2 for rows in (members, controls)]
    made = synthetic.features
    for half in (0, 1):
        reference = controls.features[halves[1] != half]
        x = np.concatenate([made, reference])
        y = np.arange(len(x)) < len(made)
        weights = np.where(y, len(x) / (2 * len(made)), len(x) / (2 * len(reference)))
        trees = classifier(controls.categorical, 2 * len(reference), int(rng.integers(2**31)))
        trees.fit(x, y, sample_weight=weights)
        for scores, rows, part in zip(found, (members, controls), halves, strict=True):
            if (part == half).any():
                scores[part == half] = trees.decision_function(rows.features[part == half])
    return found[0], found[1]


def calibrated(
    members: Coded, controls: Coded, losses: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """How much lower a model's loss on each row is than rows like it let expect: scores of members and of controls.

    What to expect is learned by boosted trees from one half of the controls at a time, as in `ratio_scores`. Rare rows
    are hard for any model; without this they hide whether they were learned.

    Source: Watson et al. 2022, "On the importance of difficulty calibration in membership inference attacks", with
    trees in place of reference models.
    """
    found = [np.empty(len(members)), np.empty(len(controls))]
    halves = [rng.permutation(len(rows)) % 2 for rows in (members, controls)]
    for half in (0, 1):
        seen = halves[1] != half
        trees = regressor(controls.categorical, int(seen.sum()), int(rng.integers(2**31)))
        trees.fit(controls.features[seen], losses[1][seen])
        for scores, rows, loss, part in zip(found, (members, controls), losses, halves, strict=True):
            if (part == half).any():
                scores[part == half] = trees.predict(rows.features[part == half]) - loss[part == half]
    return found[0], found[1]


def membership(
    name: str, title: str, scores: tuple[np.ndarray, np.ndarray], *, against: str, threat: str,
    rng: np.random.Generator,
) -> list[Attack]:  # fmt: skip
    """Two figures of a membership attack from its scores of members and controls: AUC, and true positives at 1 %."""
    members, controls = scores
    n = len(members)
    value = area(np.concatenate(scores), np.arange(n + len(controls)) < n).value
    sure = auc_interval(value, n, len(controls), z=SURE).low > 0.5
    tells = "chance that a training row scores above a held-out one; 0.5 is a coin"
    found = [Attack(f"{name}_auc", f"{title}, AUC", *auc_interval(value, n, len(controls)), 0.5, "auc", tells,
                    against, threat, n, sure)]  # fmt: skip
    state = int(rng.integers(2**31))
    hits = true_positives(members, controls, rng=np.random.default_rng(state))
    strict = true_positives(members, controls, rng=np.random.default_rng(state), z=SURE)
    tells = "training rows that are recognised where 1 % of held-out rows are mistaken for them"
    value, low, high = hits or (None, None, None)
    found.append(Attack(f"{name}_tpr", f"{title}, TPR at 1 % FPR", value, low, high, FPR, "share", tells, against,
                        threat, n, strict is not None and strict.low > FPR))  # fmt: skip
    return found
