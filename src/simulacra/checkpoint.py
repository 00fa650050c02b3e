"""Weights and optimisers to and from safetensors: no pickles, each file whole or not there."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from simulacra.errors import SimulacraError
from simulacra.files import write_atomically
from simulacra.train import Training


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights and buffers."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_atomically(path, save(tensors))  # as bytes: the library's own writer hides a full disk in an error of its own


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill a module with the weights in a file.

    Raises:
        SimulacraError: If the file is missing, damaged, or of another model.
    """
    _fill(path, module, _read(path))


def save_checkpoint(path: Path, training: Training) -> None:
    """Write all that resuming needs into one file."""
    tensors: dict[str, Tensor] = {}
    for name, module in zip(("weights", "ema"), training.modules, strict=True):
        tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for player, optimizer in training.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player}/{index}/{key}": value for key, value in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"step": str(training.step), "elapsed": repr(training.elapsed)}
    write_atomically(path, save(tensors, metadata))


def load_checkpoint(path: Path, training: Training) -> None:
    """Put training back to where a checkpoint was written.

    Raises:
        SimulacraError: If the file is missing, damaged, or of another model.
    """
    tensors = _read(path)
    for name, module in zip(("weights", "ema"), training.modules, strict=True):
        _fill(path, module, _below(tensors, f"{name}/"))
    try:
        for player, optimizer in training.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer/{player}/").items():
                index, what = key.split("/")
                wanted = optimizer.param_groups[0]["params"][int(index)].shape
                if what != "step" and value.shape != wanted:
                    raise ValueError(f"optimizer/{player}/{key} is {list(value.shape)}, expected {list(wanted)}")
                state.setdefault(int(index), {})[what] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        training.step, training.elapsed = int(metadata["step"]), float(metadata["elapsed"])
    except (LookupError, ValueError, TypeError) as error:
        raise SimulacraError(f"{path}: damaged ({error}); restore it from a copy or train again") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise SimulacraError(f"{path}: no such file; the run was never saved, or the file was deleted: train again")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise SimulacraError(f"{path}: damaged ({error}); restore it from a copy or train again") from error


def _fill(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in expected.keys() | found.keys():
        if expected.get(name) != found.get(name):
            raise SimulacraError(
                f"{path}: does not fit config.json ({name} is {list(found.get(name) or [])}, "
                f"expected {list(expected.get(name) or [])}); both must come from one run"
            )
    with torch.no_grad():
        module.load_state_dict(tensors)
