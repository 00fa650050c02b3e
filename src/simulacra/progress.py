"""The bar that shows how training goes: rate, time left, losses; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulacra.config import TrainingConfig
    from simulacra.train import Progress

REFRESH = 0.2  # seconds; oftener nobody can read, and every look at a loss waits for the device


@contextmanager
def training_bar(title: str, *, quiet: bool = False) -> Iterator[Callable[[Progress, TrainingConfig], None] | None]:
    """A callback for `fit` that draws on the error stream, so that the output stays clean for scripts."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        yield from _bar(title)
    else:
        yield _lines(title)


def _bar(title: str) -> Iterator[Callable[[Progress, TrainingConfig], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=1.0, text="")
        describe, shown = _describer(), 0.0

        def show(progress: Any, config: Any) -> None:
            nonlocal shown
            if progress.fraction < 1 and time.monotonic() - shown < REFRESH:
                return
            shown = time.monotonic()
            bar.update(task, completed=progress.fraction, text=describe(progress))

        yield show


def _lines(title: str) -> Callable[[Progress, TrainingConfig], None]:
    """A line at every tenth of the budget."""
    describe, tenth = _describer(), 0

    def show(progress: Any, config: Any) -> None:
        nonlocal tenth
        if int(10 * progress.fraction) > tenth:
            tenth = int(10 * progress.fraction)
            print(f"{title} {progress.fraction:4.0%}  {describe(progress)}", file=sys.stderr, flush=True)

    return show


def _describer() -> Callable[[Any], str]:
    """Step, rate since the last look, time left and losses in words."""
    last = (0, 0.0)

    def describe(progress: Any) -> str:
        nonlocal last
        if progress.step < last[0] or not last[0]:  # a new or a resumed run: its rate is not known from before
            last = last if last[0] else (progress.step - 1, 0.0 if progress.step == 1 else progress.elapsed)
        rate = (progress.step - last[0]) / max(progress.elapsed - last[1], 1e-9)
        last = (progress.step, progress.elapsed)
        left = progress.elapsed * (1 - progress.fraction) / max(progress.fraction, 1e-9)
        losses = "  ".join(
            f"{name.removesuffix('/loss')} {float(value):.3f}"
            for name, value in progress.logs.items()
            if name.endswith("/loss")
        )
        speed = f"{rate:,.0f} steps/s" if 0 < rate < 1e6 else "-"
        return f"step {progress.step:,}  {speed}  {_clock(left)} left  loss: {losses}"

    return describe


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return (
        f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )
