"""Attacks as intervals: how far each is from harmless, and from certainty."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from simulacra.data import drawing
from simulacra.data.drawing import GREY, INK, SAMPLES, VERMILLION


def attack_figure(audit: Any) -> Figure:
    r"""Every attack and check as a dot with its interval, on one scale:

    .. math:: (v - b) / (1 - b)

    with b what harmless rows give: 0 is no more than chance, 100 % is certainty. Those beyond chance are red.

    Args:
        audit: An `Audit`, or anything with its `attacks`.
    """
    attacks = [attack for attack in audit.attacks if attack.value is not None]
    figure, axes = drawing.panel(2 * drawing.WIDTH, max(1.6, 0.8 + 0.26 * len(attacks)))
    for row, attack in enumerate(attacks):
        value, low, high = (
            100 * (end - attack.baseline) / max(1 - attack.baseline, 1e-9)
            for end in (attack.value, attack.low, attack.high)
        )
        colour = VERMILLION if attack.alarm else SAMPLES
        axes.plot([low, high], [row, row], color=colour, linewidth=2.4, solid_capstyle="butt", alpha=0.55)
        axes.plot([value], [row], "o", color=colour, markersize=4.5)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_yticks(range(len(attacks)), [attack.title for attack in attacks], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(attacks) - 0.4, -0.6)
    axes.grid(False, axis="y")
    groups = [attack.against for attack in attacks]
    for row in range(1, len(groups)):
        if groups[row] != groups[row - 1]:
            axes.axhline(row - 0.5, color=GREY, linewidth=0.6)
    drawing.label(axes, "beyond harmless rows (% of the way to certainty)", "")
    return figure
