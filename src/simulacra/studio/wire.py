"""Frames as bytes for the browser: a short JSON head, then the numbers; made once, however many tabs look.

    4 bytes      length of the head, little endian
    head         JSON: {"step": ..., "arrays": {name: {"type": "f4" or "u1", "shape": [...], "offset": ...}}}
    numbers      little endian, each array at its offset from the end of the head, a multiple of 4

A run that was not trained under the studio's eyes has snapshots instead of frames; they become frames here, so it looks
the same as far as it goes.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.data.points.densities import DENSITIES
from simulacra.errors import SimulacraError
from simulacra.run import Run
from simulacra.studio.library import frame_steps
from simulacra.studio.security import confined
from simulacra.studio.shown import pixels

LARGEST_FRAME = 32 << 20  # bytes of a file that is read as a frame
LARGEST_NUMBERS = 8 << 20  # numbers of all its arrays together
NAMES = frozenset(("real", "density", "ema", "raw", "discriminator", "best", "arrows", "manifold", "posterior", "field",
                   "walks"))  # fmt: skip


class Wire:
    """Frames of all runs, as bytes; the newest few are remembered."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[Path, int, int], bytes] = OrderedDict()

    def latest(self, run: Path) -> tuple[Path, str] | None:
        """The file with the newest picture, and a mark that changes with it."""
        path = run / "frames" / "latest.npz"
        if not path.exists():
            steps = frame_steps(run)
            if not steps:
                return None
            path = self.file(run, steps[-1])
        stat = path.stat()
        return path, f"{stat.st_mtime_ns:x}-{stat.st_ino:x}"

    def file(self, run: Path, step: int) -> Path:
        """The file with the picture of a step: a kept frame, else a snapshot.

        Raises:
            SimulacraError: If there is none.
        """
        for name in (f"frames/{step:08d}.npz", f"samples/{step:08d}.npz", f"samples/{step:08d}.parquet"):
            if (run / name).is_file():
                return confined(run, name)
        raise SimulacraError(f"{run.name}: there is no picture of step {step}")

    def bytes(self, run: Path, path: Path) -> bytes:
        """A file with a picture as the browser takes it.

        Raises:
            SimulacraError: If it is damaged.
        """
        path = confined(run, path.as_posix())
        stat = path.stat()
        key = (path, stat.st_mtime_ns, stat.st_ino)
        if key not in self._made:
            if stat.st_size > LARGEST_FRAME:
                raise SimulacraError(f"{path}: {stat.st_size:,} bytes are too many for a picture; delete it")
            step = int(path.stem.split("-")[0]) if path.stem[:1].isdigit() else None
            arrays = _arrays(path) if path.parent.name == "frames" else _of_snapshot(Run(run), path)
            self._made[key] = encode(step, arrays)
            while len(self._made) > 64:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    def ground(self, run: Path) -> tuple[dict[str, Any], bytes]:
        """What does not change of a run's pictures: what they are, and the real examples.

        Raises:
            SimulacraError: If a file is damaged.
        """
        about = run / "frames" / "about.json"
        if about.is_file() and (run / "frames" / "ground.npz").is_file():
            text = confined(run, "frames/about.json").read_bytes()
            try:
                found = json.loads(text[: 1 << 20])
                if not isinstance(found, dict) or found.get("kind") not in ("points", "images", "tables"):
                    raise ValueError("not about pictures")
            except (ValueError, RecursionError) as error:
                raise SimulacraError(f"{about}: damaged ({error}); delete the folder frames/") from error
            return found, self.bytes(run, run / "frames" / "ground.npz")
        return _ground_of_snapshots(Run(run))


def encode(step: int | None, arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as the browser takes them: floats as 32 bits, pictures as bytes."""
    if "step" in arrays:
        step = int(arrays.pop("step"))
    head: dict[str, Any] = {"step": step, "arrays": {}}
    body = io.BytesIO()
    for name, array in arrays.items():
        kind = "u1" if array.dtype == np.uint8 else "f4"
        data = np.ascontiguousarray(array, dtype=np.uint8 if kind == "u1" else "<f4").tobytes()
        head["arrays"][name] = {"type": kind, "shape": list(array.shape), "offset": body.tell()}
        body.write(data + b"\0" * (-len(data) % 4))
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + body.getvalue()


def _arrays(path: Path, names: frozenset[str] = NAMES) -> dict[str, np.ndarray]:
    """The arrays of a frame; never pickles, and no more numbers than a picture has."""
    found: dict[str, np.ndarray] = {}
    total = 0
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                total += _size(archive, name)
                if total > LARGEST_NUMBERS:
                    raise ValueError("too many numbers")
                if name in names or name == "step":
                    found[name] = archive[name]
                    if found[name].dtype.kind not in "fiu":
                        raise ValueError(f"{name} is no numbers")
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise SimulacraError(f"{path}: damaged ({error}); delete it, the rest of the run is whole") from error
    return found


def _size(archive: Any, name: str) -> int:
    """How many numbers a member says it holds, by its header alone."""
    with archive.zip.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return int(np.prod(read(member)[0], dtype=np.float64))


def _of_snapshot(run: Run, path: Path) -> dict[str, np.ndarray]:
    """A snapshot as a frame."""
    if path.suffix == ".parquet":
        raise SimulacraError(f"{path}: pictures of tables are made while they are trained in the studio")
    found = _arrays(path, frozenset(("values", "raw")))
    values = {"ema" if name == "values" else name: array for name, array in found.items()}
    codec = run.config["codec"]
    if run.config["data"]["kind"] == "images":
        low, high = float(codec["low"]), float(codec["high"])
        return {name: pixels(one[:64], low, high) for name, one in values.items()}
    return {name: np.asarray(one[:2000], np.float32) for name, one in values.items()}


def _ground_of_snapshots(run: Run) -> tuple[dict[str, Any], bytes]:
    """What can be known of the pictures of a run that has snapshots alone."""
    kind, source = run.config["data"]["kind"], str(run.config["data"]["source"])
    about: dict[str, Any] = {"kind": kind, "family": run.config["family"], "layers": ["ema", "raw"], "columns": []}
    arrays: dict[str, np.ndarray] = {}
    if kind == "points":
        density = DENSITIES.get(source.removeprefix("toy:")) if source.startswith("toy:") else None
        if density is not None:
            about["limits"] = density.bounds
            arrays["real"] = density.sample(2000, np.random.default_rng(0)).astype(np.float32)
        else:
            mean, scale = np.array(run.config["codec"]["mean"]), np.array(run.config["codec"]["scale"])
            about["limits"] = [[float(m - 3.5 * s), float(m + 3.5 * s)] for m, s in zip(mean, scale, strict=True)][:2]
        about["dim"] = len(about["limits"])
    return about, encode(None, arrays)
