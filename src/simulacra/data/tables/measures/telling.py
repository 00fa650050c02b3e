"""By what a classifier tells samples from real rows, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.data.tables.measures.shapes import Codebook, Scores, word_columns
from simulacra.data.tables.measures.trees import FEWEST_ROWS

if TYPE_CHECKING:
    from simulacra.data.tables.table import Table

MOST = 10
MOSTLY = 3  # times as far off in company as by itself: then its company is what to look at
CLEAR = 0.02  # a column whose shape is off by less is not what gives samples away; its company is
_LONGEST = 40


def telling_columns(
    train: Table, samples: Table, lost: dict[str, float], shapes: Scores, trends: Scores
) -> list[dict[str, Any]]:
    """The columns that tell most, the most telling first.

    Args:
        train: The training split.
        samples: What the model made.
        lost: Column -> area under the classifier's curve that is lost without it, the most telling first.
        shapes: Of the samples.
        trends: Of the samples.

    Returns:
        "column", "lost", "shape" (score, or None) and "words" of each that tells anything.
    """
    return [
        {
            "column": name,
            "lost": value,
            "shape": shapes.each.get(name),
            "words": _words(train, samples, name, shapes, trends),
        }
        for name, value in list(lost.items())[:MOST]
        if value > 0
    ]


def _words(train: Table, samples: Table, name: str, shapes: Scores, trends: Scores) -> str:
    shape = shapes.each.get(name)
    company = {pair: score for pair, score in trends.each.items() if name in pair}
    pair = min(company, key=lambda one: company[one]) if company else None
    off = 0.0 if shape is None else 1 - shape
    if off > CLEAR and (pair is None or 1 - company[pair] < MOSTLY * off):
        return _gap(train, samples, name)
    if pair is None:
        return "its own values are right" if shape is not None else ""
    other = pair[0] if pair[1] == name else pair[1]
    start = "by itself right; " if off <= CLEAR else ""
    return f"{start}least like the data together with {other} (pair trend {100 * company[pair]:.1f} %)"


def _gap(train: Table, samples: Table, name: str) -> str:
    """Where a column differs most: the value, or the number under which there are too few or too many."""
    if name in word_columns(train.schema):
        book = Codebook(train.frame[name])
        ours, real = (
            np.bincount(book(table.frame[name]), minlength=book.size) / len(table) for table in (samples, train)
        )
        worst = int(np.abs(ours - real).argmax())
        words = [*book.words.to_list(), None, None]
        said = {book.size - 2: "missing", book.size - 1: "a value that is not in the data"}.get(
            worst, f'"{_short(str(words[worst]).strip())}"'
        )
        if real[worst] * len(train) < FEWEST_ROWS and worst < book.size - 2:
            said = f"a value that fewer than {FEWEST_ROWS} real rows have is"
        return f"{said} in {100 * ours[worst]:.1f} % of samples, {100 * real[worst]:.1f} % of real rows"
    ours, real = (np.sort(values[~np.isnan(values)]) for values in (samples.numbers(name), train.numbers(name)))
    if not len(ours) or not len(real):
        return "no sample has a value"
    grid = np.union1d(ours, real)
    below = [np.searchsorted(values, grid, side="right") / len(values) for values in (ours, real)]
    worst = int(np.abs(below[0] - below[1]).argmax())
    # Rounded, because the exact number may be that of a single row, and the words may be passed on.
    dated = train.schema[name].role == "datetime"
    at = (
        str(np.datetime64(int(grid[worst]), "s").astype("datetime64[M]"))
        if dated
        else f"{float(f'{grid[worst]:.3g}'):,g}"
    )
    return f"at most about {at} in {100 * below[0][worst]:.1f} % of samples, {100 * below[1][worst]:.1f} % of real rows"


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"
