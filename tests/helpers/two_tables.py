"""Two small tables for the measures of tables, and what SDMetrics says of them when this file is run:

python tests/helpers/two_tables.py     (in an environment with sdmetrics 0.32 and pandas)
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

NUMBERS, WORDS = ("x", "y", "z"), ("c", "d", "b")


def columns(rows: int, shift: int) -> dict[str, list[Any]]:
    """Columns without randomness: three of numbers (z with gaps), two of words (d with gaps), one of booleans."""
    steps = [(k * 37 + shift * 11) % 101 for k in range(rows)]
    return {
        "x": [step * 0.5 + shift for step in steps],
        "y": [(step * step) % 53 - 0.25 * step for step in steps],
        "z": [None if step % 9 == 0 else float((step * 7) % 23) for step in steps],
        "c": [("red", "green", "blue", "grey")[(step // (5 + shift)) % 4] for step in steps],
        "d": [None if step % 8 == shift else ("a", "b")[(step // 10) % 2] for step in steps],
        "b": [step % (3 + shift) == 0 for step in steps],
    }


REAL, SAMPLES = columns(90, 0), columns(70, 1)


def main() -> None:
    """SDMetrics' scores; a missing word is a word, as the measures have it."""
    import pandas as pd
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement

    real, samples = (pd.DataFrame(part) for part in (REAL, SAMPLES))
    for part in (real, samples):
        part["d"] = part["d"].fillna("(missing)")
    for name in (*NUMBERS, *WORDS):
        measure = KSComplement if name in NUMBERS else TVComplement
        print(f'    "{name}": {measure.compute(real[name], samples[name]):.9f},')
    for one, two in combinations((*NUMBERS, *WORDS), 2):
        pair = [one, two]
        if two in NUMBERS:
            score = CorrelationSimilarity.compute(real[pair], samples[pair])
        else:
            numbers = [name for name in pair if name in NUMBERS]
            score = ContingencySimilarity.compute(
                real[pair].copy(), samples[pair].copy(), continuous_column_names=numbers or None
            )
        print(f'    ("{one}", "{two}"): {score:.9f},')


if __name__ == "__main__":
    main()
