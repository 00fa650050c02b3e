"""Training, written down: the loop's steps as they become events, snapshots and checkpoints of a Run."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simulacra.checkpoint import load_checkpoint, save_checkpoint, save_weights
from simulacra.config import TrainingConfig
from simulacra.data import kind
from simulacra.families.family import Family
from simulacra.noise import Noise
from simulacra.run import Run
from simulacra.space import Batch
from simulacra.train import DivergedError, Progress, Training, train

LOG_EVERY = 50  # steps; a line holds the means since the line before
CHECKPOINT_EVERY = 30.0  # seconds: what a killed process may lose
SNAPSHOT_SIZES = {"points": 2000, "images": 64}
ROWS_AT_ONCE = 4096  # of a sampler: as fast as more, in bounded memory


def to_tensors(batch: Batch, device: torch.device | str) -> Batch:
    """A codec's batch of arrays as tensors on a device."""
    return Batch(*(None if part is None else torch.as_tensor(part, device=device) for part in batch))


def to_arrays(batch: Batch) -> Batch:
    """A batch of tensors as the arrays that a codec takes."""
    return Batch(*(None if part is None else part.detach().cpu().numpy() for part in batch))


def snapshot_steps() -> Iterator[int]:
    """10, 20, 50, 100, 200, 500, ...: about evenly spaced to the eye, for learning slows down as it goes."""
    scale = 10
    while True:
        yield from (scale, 2 * scale, 5 * scale)
        scale *= 10


@torch.no_grad()
def draw(family: Family, n: int, *, seed: int, device: torch.device | str, start: int = 0,
         label: Tensor | None = None, **options: Any) -> Iterator[Batch]:  # fmt: skip
    """n examples in batches; example i depends on the seed and i alone."""
    for begin in range(0, n, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, n - begin)
        noise = Noise(seed, rows=rows, start=start + begin, device=device)
        part = None if label is None else label[begin : begin + rows]
        yield family.sample(rows, label=part, noise=noise, **options)


def record(run: Run, training: Training, data: Batch, config: TrainingConfig) -> Generator[Progress, None, None]:
    """Train and write down what happens, yielding after every step.

    When the caller stops iterating, the state is saved and the run is marked interrupted. When a loss is not a
    number, the run goes back to its last checkpoint, is marked diverged, and the error goes on to the caller.

    Args:
        run: Where to write.
        training: Fresh, or as a checkpoint left it.
        data: All training data, tensors.
        config: The options.
    """
    codec = kind(run.config["data"]["kind"]).Codec.restore(run.config["codec"])
    checkpoint = run.path / "state" / "checkpoint.safetensors"
    snapshots = snapshot_steps()
    following = next(step for step in snapshots if step > training.step)
    sums: dict[str, Tensor] = {}
    logged, saved = (training.step, training.elapsed), time.monotonic()

    def save(status: str) -> None:
        save_checkpoint(checkpoint, training)
        save_weights(run.path / "model.safetensors", training.modules[1])
        run.save_status(status, step=training.step, elapsed=training.elapsed)

    def fall_back() -> None:
        load_checkpoint(checkpoint, training)
        save_weights(run.path / "model.safetensors", training.modules[1])
        run.save_status("diverged", step=training.step, elapsed=training.elapsed)

    def snapshot(rows: Batch) -> None:
        check_weights()
        with torch.no_grad():
            training.ema.conclude(rows, seed=config.seed)
        size = SNAPSHOT_SIZES[run.config["data"]["kind"]]
        batches = draw(training.ema, size, seed=config.seed, device=data.x.device)
        run.save_snapshot(training.step, np.concatenate([codec.decode(to_arrays(batch)) for batch in batches]))

    def check_weights() -> None:
        if not training.is_finite():
            raise DivergedError(
                f"step {training.step}: a weight is no longer a number; the last good state is kept. "
                f"Lower --lr (now {config.lr:g}) or set --clip 1"
            )

    def log(fraction: float) -> None:
        nonlocal sums, logged
        steps, seconds = training.step - logged[0], training.elapsed - logged[1]
        if not steps:
            return
        means = torch.stack(list(sums.values())).tolist()  # the one synchronisation a line
        event = {"step": training.step, "elapsed": round(training.elapsed, 4), "fraction": fraction}
        event |= {"rate": steps / max(seconds, 1e-9)}
        run.append_event(event | {name: mean / steps for name, mean in zip(sums, means, strict=True)})
        sums, logged = {}, (training.step, training.elapsed)

    few = data.rows(slice(None, None, -(-data.size // 2000)))  # enough for a picture on the way
    run.rewind(training.step)
    if not training.step:
        snapshot(few)
    save("running")
    fraction = 0.0
    try:
        for progress in train(training, data, config):
            fraction = progress.fraction
            for name, value in progress.logs.items():
                sums[name] = sums[name] + value if name in sums else value.float()
            if progress.step % LOG_EVERY == 0 or progress.step == 1 or fraction == 1:
                log(fraction)
            if progress.step == following:
                snapshot(few)
                following = next(snapshots)
            if time.monotonic() - saved > CHECKPOINT_EVERY:
                check_weights()
                save("running")
                saved = time.monotonic()
            yield progress
        snapshot(data)
        save("finished")
    except GeneratorExit:
        try:
            check_weights()
        except DivergedError:
            fall_back()
            raise
        log(fraction)
        snapshot(data)
        save("interrupted")
        raise
    except DivergedError:
        fall_back()
        raise
