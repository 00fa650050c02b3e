"""What training asks of the process that it runs in: a device, threads, Ctrl-C between steps, the command line."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from simulacra.errors import SimulacraError

SMALL_WORK = 50_000_000  # multiplications; see `few_threads`


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
        products: Multiplications of one pass over a batch. The limit was found on two cores: below it two threads were
            never faster, and up to fifty times slower where another program used the second core.
    """
    before = torch.get_num_threads()
    if products < SMALL_WORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a flag that is looked at between steps; the second one interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    seen = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        nonlocal seen
        seen = True
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: seen
    finally:
        restore()


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def command_line() -> str:
    """How this process was started, if it was by our command line."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    return shlex.join([name, *sys.argv[1:]]) if name == "simulacra" else "Python"
