"""The engine that computes with PyTorch: every family, every kind of data, every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.checkpoint import below, check_fit, damaged, read_arrays, write_arrays
from simulacra.config import TrainingConfig
from simulacra.engines import ROWS_AT_ONCE, SMALL_WORK, portions
from simulacra.errors import SimulacraError
from simulacra.families import build
from simulacra.noise import Noise
from simulacra.space import Batch, Space
from simulacra.train import Progress, Training, train

PIXELS_AT_ONCE = 2**18  # of a sampler with convolutions: about half a gigabyte of maps in a tiny network


class Model:
    """A trained family with its weights; satisfies `simulacra.engines.Model`.

    Args:
        family: Its name.
        network: The family itself, a torch module.
    """

    def __init__(self, family: str, network: Any) -> None:
        self.family, self.network = family, network

    @classmethod
    def load(cls, path: Path, family: str, space: Space, config: TrainingConfig, *, device: str = "auto") -> Self:
        network = fresh(family, space, config, find_device(device))
        load_weights(path, network)
        return cls(family, network.requires_grad_(False).eval())

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def rows_at_once(self) -> int:
        conv = self.network.config.network == "conv"
        return max(1, PIXELS_AT_ONCE // self.network.space.dim) if conv else ROWS_AT_ONCE

    @property
    def parameters(self) -> dict[str, int]:
        return {name: count(player) for name, player in self.network.players().items()}

    @torch.no_grad()
    def draw(
        self, n: int, *, seed: int, start: int = 0, label: np.ndarray | None = None, **options: Any
    ) -> Iterator[Batch]:
        for rows in portions(n, self.rows_at_once):
            noise = Noise(seed, rows=rows.stop - rows.start, start=start + rows.start, device=self.device)
            part = None if label is None else torch.as_tensor(label[rows], device=self.device)
            yield to_arrays(self.network.sample(rows.stop - rows.start, label=part, noise=noise, **options))

    @torch.no_grad()
    def score(self, batch: Batch, start: int) -> np.ndarray:
        rows = to_tensors(batch, self.device)
        if self.family == "vae":  # a bound from draws, which belong to the rows
            noise = Noise(0, rows=batch.size, start=start, device=self.device)
            return _doubles(self.network.score_samples(rows, noise=noise))
        return _doubles(self.network.score_samples(rows))

    @torch.no_grad()
    def discriminate(self, batch: Batch) -> np.ndarray:
        return _doubles(self.network.discriminate(to_tensors(batch, self.device)))

    @torch.no_grad()
    def denoise(self, batch: Batch, sigma: float) -> np.ndarray:
        return _doubles(self.network.denoise(to_tensors(batch, self.device), sigma))

    @torch.no_grad()
    def encode(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        mean, logvar = self.network.encode(to_tensors(batch, self.device))
        return _doubles(mean), _doubles(logvar)

    @torch.no_grad()
    def decode(self, z: np.ndarray, label: np.ndarray | None) -> Batch:
        latents = torch.as_tensor(z, dtype=torch.float32, device=self.device)
        given = None if label is None else torch.as_tensor(label, device=self.device)
        x, logits = self.network.realise(latents, given)
        parts = logits.split(list(self.network.space.categories), dim=1) if logits.shape[1] else ()
        c = [part.argmax(1) for part in parts]
        return to_arrays(Batch(x, torch.stack(c, dim=1) if c else x.new_zeros(len(x), 0, dtype=torch.int64), given))

    @torch.no_grad()
    def trajectory(
        self, n: int, *, seed: int, label: np.ndarray | None = None, **options: Any
    ) -> Iterator[tuple[float, np.ndarray]]:
        noise = Noise(seed, rows=n, device=self.device)
        given = None if label is None else torch.as_tensor(label, device=self.device)
        for state, _ in self.network.trajectory(n, label=given, noise=noise, **options):
            yield float(state.sigma), state.x_t.cpu().numpy()


class Session:
    """Training under way; satisfies `simulacra.engines.Session`.

    Args:
        family: Its name.
        training: What moves.
        config: The options.
        device: Where the data go.
    """

    def __init__(self, family: str, training: Training, config: TrainingConfig, device: torch.device) -> None:
        self.training, self.config, self.device = training, config, device
        self.model = Model(family, training.ema)
        self.data: Batch | None = None

    @classmethod
    def begin(cls, family: str, space: Space, config: TrainingConfig, data: Batch) -> Self:
        device = find_device(config.device)
        network, rows = fresh(family, space, config, device), to_tensors(data, device)
        network.prepare(rows)
        session = cls(family, Training.begin(network, config), config, device)
        session.data = rows
        return session

    @classmethod
    def restore(cls, path: Path, family: str, space: Space, config: TrainingConfig, *, device: str = "auto") -> Self:
        found = find_device(device)
        session = cls(family, Training.begin(fresh(family, space, config, found), config), config, found)
        session.load(path)
        return session

    def take(self, data: Batch) -> None:
        self.data = to_tensors(data, self.device)

    @property
    def step(self) -> int:
        return self.training.step

    @property
    def elapsed(self) -> float:
        return self.training.elapsed

    @property
    def device_name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"cpu, {torch.get_num_threads()} threads"

    def threads(self) -> AbstractContextManager[None]:
        if self.config.network == "conv":  # each weight is used at many places
            return few_threads(SMALL_WORK)
        return few_threads(sum(self.model.parameters.values()) * self.config.batch_size)

    def steps(self, config: TrainingConfig) -> Iterator[Progress]:
        assert self.data is not None
        return train(self.training, self.data, config)

    def floats(self, sums: dict[str, Any]) -> dict[str, float]:
        return dict(zip(sums, torch.stack([value.float() for value in sums.values()]).tolist(), strict=True))

    def is_finite(self) -> bool:
        return self.training.is_finite()

    @torch.no_grad()
    def conclude(self, seed: int, most: int | None = None) -> None:
        assert self.data is not None
        every = 1 if most is None else -(-self.data.size // most)
        self.training.ema.conclude(self.data.rows(slice(None, None, every)), seed=seed)

    def save(self, path: Path) -> None:
        save_checkpoint(path, self.training)

    def load(self, path: Path) -> None:
        load_checkpoint(path, self.training)

    def save_weights(self, path: Path) -> None:
        write_arrays(path, _arrays(self.training.modules[1].state_dict()))


# --- networks and batches ---------------------------------------------------------------------------------------


def fresh(family: str, space: Space, config: TrainingConfig, device: torch.device) -> Any:
    """A fresh network; its first weights depend on the seed alone and nobody else's randomness is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build(family, space, config).to(device)


def count(player: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in player.parameters())


def to_tensors(batch: Batch, device: torch.device | str) -> Batch:
    """A codec's batch of arrays as tensors on a device."""
    return Batch(*(None if part is None else torch.as_tensor(part, device=device) for part in batch))


def to_arrays(batch: Batch) -> Batch:
    """A batch of tensors as the arrays that a codec takes."""
    return Batch(*(None if part is None else part.detach().cpu().numpy() for part in batch))


def _doubles(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()


# --- weights and optimisers as named arrays ---------------------------------------------------------------------


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill a module with the weights in a file.

    Raises:
        SimulacraError: If the file is missing, damaged, or of another model.
    """
    _fill(path, module, read_arrays(path)[0])


def save_checkpoint(path: Path, training: Training) -> None:
    """Write all that resuming needs into one file."""
    tensors: dict[str, Tensor] = {}
    for name, module in zip(("weights", "ema"), training.modules, strict=True):
        tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for player, optimizer in training.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player}/{index}/{key}": value for key, value in state.items()}
    write_arrays(path, _arrays(tensors), {"step": str(training.step), "elapsed": repr(training.elapsed)})


def load_checkpoint(path: Path, training: Training) -> None:
    """Put training back to where a checkpoint was written.

    Raises:
        SimulacraError: If the file is missing, damaged, or of another model.
    """
    arrays, metadata = read_arrays(path)
    for name, module in zip(("weights", "ema"), training.modules, strict=True):
        _fill(path, module, below(arrays, f"{name}/"))
    try:
        for player, optimizer in training.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in below(arrays, f"optimizer/{player}/").items():
                index, what = key.split("/")
                wanted = optimizer.param_groups[0]["params"][int(index)].shape
                if what != "step" and value.shape != wanted:
                    raise ValueError(f"optimizer/{player}/{key} is {list(value.shape)}, expected {list(wanted)}")
                state.setdefault(int(index), {})[what] = torch.from_numpy(value)
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        training.step, training.elapsed = int(metadata["step"]), float(metadata["elapsed"])
    except (LookupError, ValueError, TypeError) as error:
        raise damaged(path, error) from error


def _arrays(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}


def _fill(path: Path, module: nn.Module, arrays: dict[str, np.ndarray]) -> None:
    check_fit(
        path,
        {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()},
        {name: array.shape for name, array in arrays.items()},
    )
    with torch.no_grad():
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


# --- the machine ------------------------------------------------------------------------------------------------


def find_device(name: str) -> torch.device:
    """The device of that name; auto is the GPU where there is one.

    Raises:
        SimulacraError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SimulacraError(f'no device "{name}": use auto, cpu, cuda or cuda:N') from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SimulacraError(f"--device {name}: this machine has no GPU that torch can use; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SimulacraError(f"--device {name}: there are only {torch.cuda.device_count()} GPUs, counted from 0")
    if device.type not in ("cpu", "cuda"):
        raise SimulacraError(f'no device "{name}": use auto, cpu, cuda or cuda:N')
    return device


@contextmanager
def few_threads(products: int) -> Iterator[None]:
    """One thread for work so small that a second one would cost more in waiting than it saves.

    Args:
        products: Multiplications of one pass over a batch; see `SMALL_WORK`.
    """
    before = torch.get_num_threads()
    if products < SMALL_WORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
