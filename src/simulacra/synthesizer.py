"""GAN(), VAE(), Diffusion(): fit, sample, score_samples; the same contract for every family and kind of data."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.checkpoint import load_checkpoint, load_weights
from simulacra.config import TrainingConfig, resolve
from simulacra.data import Dataset, kind, load
from simulacra.errors import SimulacraError, UnsupportedError, suggest
from simulacra.families import build
from simulacra.families.family import Family
from simulacra.noise import Noise
from simulacra.process import command_line, deferred_interrupt, device_name, few_threads, find_device
from simulacra.recording import ROWS_AT_ONCE, draw, record, to_arrays, to_tensors
from simulacra.run import Run
from simulacra.space import Batch, Space
from simulacra.train import Progress, Training

SCORE_NAMES = {
    "diffusion": "log-likelihood",
    "vae": "bound on the log-likelihood (importance-weighted)",
}


class Synthesizer:
    """A generative model for people: fit it to data, draw samples.

    Made by `GAN`, `VAE` and `Diffusion`, or by `open_run`. What `fit` learned has a trailing underscore.

    Args:
        preset: Name of a published model; see `simulacra.config.PRESETS`.
        **options: Fields of the family's config, such as steps, minutes, seed, lr. What is not given follows the recipe
            for the kind of data.

    Attributes:
        config_: All options as they were settled.
        codec_: What takes the data to model space and back.
        network_: The trained family with averaged weights, a torch module.
        run_: The Run folder, with curves and snapshots.
    """

    family: str = ""

    def __init__(self, *, preset: str | None = None, **options: Any) -> None:
        self.preset, self.options = preset, options
        resolve(self.family, None, options, preset=preset)  # a wrong option fails here and not after loading
        self._fitted: tuple[TrainingConfig, Any, Family, Run] | None = None
        self._dataset: Dataset | None = None

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})" + (f" fitted, {self.run_.path}" if self._fitted else "")

    # --- learning -----------------------------------------------------------------------------------------------

    def fit(
        self, data: Any, *, out: Path | str | None = None,
        progress: Callable[[Progress, TrainingConfig], Any] | None = None,
    ) -> Self:  # fmt: skip
        """Learn the distribution of the training split of the data.

        Ctrl-C finishes the step, saves, and then raises KeyboardInterrupt; the run can be resumed.

        Args:
            data: A Dataset, or anything that `load` takes: an array, a path, a name.
            out: Where the Run folder is to be; a temporary one, gone with the model, if None.
            progress: Called after every step.

        Raises:
            SimulacraError: If the data or `out` cannot be used.
            DivergedError: If a loss is not a number; the run keeps its last good state.
        """
        dataset = data if isinstance(data, Dataset) else load(data)
        config = resolve(self.family, dataset.kind, self.options, preset=self.preset)
        codec = kind(dataset.kind).Codec.fit(dataset.train, len(dataset.classes) if config.conditional else 0)
        device = find_device(config.device)
        network = _build(self.family, codec.space, config, device)
        if out is None:
            out = tempfile.mkdtemp(prefix="simulacra-")
            weakref.finalize(self, shutil.rmtree, out, ignore_errors=True)
        description = {
            "family": self.family,
            "preset": self.preset,
            "options": dataclasses.asdict(config),
            "data": dataset.describe(),
            "space": dataclasses.asdict(codec.space),
            "codec": codec.state(),
            "num_parameters": {name: _count(player) for name, player in network.players().items()},
            "device": device_name(device),
            "command": command_line(),
        }
        run = Run.create(out, description)
        rows = to_tensors(codec.encode(dataset.train.values, dataset.train.labels), device)
        network.prepare(rows)
        return self._learn(run, Training.begin(network, config), rows, config, dataset, progress)

    def _learn(
        self, run: Run, training: Training, rows: Batch, config: TrainingConfig, dataset: Dataset,
        progress: Callable[[Progress, TrainingConfig], Any] | None,
    ) -> Self:  # fmt: skip
        self._dataset = dataset
        self._fitted = config, kind(dataset.kind).Codec.restore(run.config["codec"]), training.ema, run
        weights = sum(_count(player) for player in training.family.players().values())
        with deferred_interrupt() as interrupted, few_threads(weights * config.batch_size):
            steps = record(run, training, rows, config)
            for step in steps:
                if progress:
                    progress(step, config)
                if interrupted():
                    steps.close()  # saves
                    raise KeyboardInterrupt
        return self

    # --- what was learned ---------------------------------------------------------------------------------------

    def _parts(self) -> tuple[TrainingConfig, Any, Family, Run]:
        if self._fitted is None:
            raise SimulacraError(f"this {type(self).__name__} has learned nothing yet; call fit(data) first")
        return self._fitted

    @property
    def config_(self) -> TrainingConfig:
        return self._parts()[0]

    @property
    def codec_(self) -> Any:
        return self._parts()[1]

    @property
    def network_(self) -> Any:
        return self._parts()[2]

    @property
    def run_(self) -> Run:
        return self._parts()[3]

    @property
    def device_(self) -> torch.device:
        return next(self.network_.parameters()).device

    @property
    def num_parameters_(self) -> int:
        """Weights of all players together."""
        return sum(_count(player) for player in self.network_.players().values())

    @property
    def dataset_(self) -> Dataset:
        """The data that the model learned, loaded again if it was opened from a Run.

        Raises:
            SimulacraError: If they came from memory, are gone, or have changed.
        """
        if self._dataset is None:
            data = self.run_.config["data"]
            if data["source"] is None:
                raise SimulacraError(
                    f"{self.run_.path}: learned an array from memory, which is not kept; "
                    "save it as .npy and train on that"
                )
            try:
                dataset = load(data["source"], **data["options"])
            except TypeError as error:
                where = self.run_.path / "config.json"
                raise SimulacraError(f"{where}: damaged, data.options ({error}); restore it from a copy") from error
            if dataset.fingerprint != data["fingerprint"]:
                raise SimulacraError(
                    f"{data['source']}: has changed since {self.run_.path} was trained "
                    f"(fingerprint {dataset.fingerprint}, was {data['fingerprint']}); restore it or train again"
                )
            self._dataset = dataset
        return self._dataset

    @dataset_.setter
    def dataset_(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def sample(self, n: int, *, label: Any = None, seed: int = 0, **options: Any) -> np.ndarray:
        """n new examples, of the type, range and shape that came in.

        Example i depends on the seed and i alone, so more samples begin with the same ones.

        Args:
            n: How many.
            label: A class by name or number, or one for each sample; drawn as in the training data if None.
            seed: The same seed gives the same samples on the same machine.
            **options: guidance_scale for all families; sampler and sampling_steps for diffusion.

        Raises:
            SimulacraError: If n is not positive or the label unknown.
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n <= 0:
            raise SimulacraError(f"{n} samples: n must be a whole number above 0")
        labels = None if label is None else torch.as_tensor(self._label_ids(label, n), device=self.device_)
        batches = draw(self.network_, int(n), seed=seed, device=self.device_, label=labels, **self._options(options))
        return np.concatenate([self.codec_.decode(to_arrays(batch)) for batch in batches])

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        known = ["guidance_scale", *(["sampler", "sampling_steps"] if self.family == "diffusion" else [])]
        for name in options:
            if name not in known:
                raise SimulacraError(f'a {self.family} cannot be sampled with "{name}": {suggest(name, known)}')
        return options

    def _label_ids(self, label: Any, n: int) -> np.ndarray:
        classes = self.run_.config["data"]["classes"]
        if not self.codec_.space.num_classes:
            why = "its data had no labels" if not classes else "it was trained with --no-conditional"
            raise SimulacraError(f"this model knows no labels, for {why}; leave out the label")
        several = np.atleast_1d(np.asarray(label, dtype=object))
        if len(several) not in (1, n):
            raise SimulacraError(f"{len(several)} labels for {n} samples; give one, or one for each")
        ids = []
        for one in several:
            if str(one) not in classes:
                raise SimulacraError(f'no class "{one}": {suggest(str(one), classes)}')
            ids.append(classes.index(str(one)))
        return np.resize(np.asarray(ids, dtype=np.int64), n)

    @property
    def score_name_(self) -> str | None:
        """What `score_samples` gives: a log-likelihood, a bound on it, or None if it cannot be had."""
        if self.family == "diffusion" and not 0 < self.codec_.space.dim <= 16:
            return None
        return SCORE_NAMES.get(self.family)

    def score_samples(self, values: Any, labels: Any = None) -> np.ndarray:
        """Log-density of each example in nats, in the data's own units: (n,).

        Exact up to the solver for a diffusion model of points; a lower bound (importance-weighted, 64 draws) for a VAE.

        Raises:
            UnsupportedError: For a GAN, which has no density, and for a diffusion model of more than 16 numbers.
        """
        if self.family == "gan":
            raise UnsupportedError(
                "a GAN has no density: it makes samples and cannot score them; use a VAE or diffusion"
            )
        scale = getattr(self.codec_, "log_scale", 0.0)

        def score(batch: Batch, start: int) -> Tensor:
            if self.family == "vae":
                return self.network_.score_samples(
                    batch, noise=Noise(0, rows=batch.size, start=start, device=batch.x.device)
                )
            return self.network_.score_samples(batch)

        return self._map(score, values, labels) - scale

    def discriminate(self, values: Any, labels: Any = None) -> np.ndarray:
        """D(x), the probability that each example is real: (n,).

        Raises:
            UnsupportedError: If the model is no GAN.
        """
        if self.family != "gan":
            raise UnsupportedError(f"a {self.family} model has no discriminator; use a GAN")
        return self._map(lambda batch, start: self.network_.discriminate(batch), values, labels)

    def denoise(self, values: Any, sigma: float, labels: Any = None) -> np.ndarray:
        """The estimate of the clean data behind noisy values: float (n, ...), in the data's units.

        Args:
            values: Data with Gaussian noise.
            sigma: Standard deviation of that noise in model space, where data have about unit scale.
            labels: Class ids.

        Raises:
            UnsupportedError: If the model is no diffusion model.
        """
        if self.family != "diffusion":
            raise UnsupportedError(f"a {self.family} model has no denoiser; use a diffusion model")
        x = self._map(lambda batch, start: self.network_.denoise(batch, sigma), values, labels)
        return self.codec_.decode(Batch(x, np.zeros((len(x), 0), np.int64)))

    def _map(self, function: Callable[[Batch, int], Tensor], values: Any, labels: Any) -> np.ndarray:
        """A function of batches and their first row, over all values."""
        batch = self.codec_.encode(values, labels if self.codec_.space.num_classes else None)
        if batch.label is None and self.codec_.space.num_classes and self.family != "diffusion":
            raise SimulacraError("this model was trained with labels; give the labels of the examples too")
        parts = []
        for start in range(0, batch.size, ROWS_AT_ONCE):
            rows = to_tensors(batch.rows(slice(start, start + ROWS_AT_ONCE)), self.device_)
            with torch.no_grad():
                parts.append(function(rows, start).double().cpu().numpy())
        return np.concatenate(parts)

    def save(self, path: Path | str) -> Path:
        """Copy the Run folder to a path that holds nothing yet."""
        self.run_.copy_to(path)
        return Path(path)


class GAN(Synthesizer):
    """A generative adversarial network; the options are the fields of `simulacra.config.GANConfig`."""

    family = "gan"


class VAE(Synthesizer):
    """A variational autoencoder; the options are the fields of `simulacra.config.VAEConfig`."""

    family = "vae"


class Diffusion(Synthesizer):
    """A diffusion model; the options are the fields of `simulacra.config.DiffusionConfig`."""

    family = "diffusion"


SYNTHESIZERS: dict[str, type[Synthesizer]] = {"gan": GAN, "vae": VAE, "diffusion": Diffusion}


def open_run(path: Path | str, *, device: str = "auto") -> Synthesizer:
    """The trained model in a Run folder.

    Raises:
        SimulacraError: If there is no Run, or a file of it is damaged.
    """
    run = Run(path)
    config, codec = _settled(run)
    network = _build(run.config["family"], codec.space, config, find_device(device))
    load_weights(run.path / "model.safetensors", network)
    model = SYNTHESIZERS[run.config["family"]](**run.config["options"])
    network.requires_grad_(False).eval()
    model._fitted = config, codec, network, run
    return model


def resume_run(
    path: Path | str, *, steps: int | None = None, minutes: float | None = None, device: str = "auto",
    data: Dataset | None = None, progress: Callable[[Progress, TrainingConfig], Any] | None = None,
) -> Synthesizer:  # fmt: skip
    """Go on with a run: to the end of its budget, or for so many steps or minutes more.

    More budget stretches the schedules: a run that is over goes on at the fraction that it has then spent.

    Raises:
        SimulacraError: If there is nothing left to do, or a file is damaged.
    """
    run = Run(path)
    config, codec = _settled(run)
    network = _build(run.config["family"], codec.space, config, find_device(device))
    training = Training.begin(network, config)
    load_checkpoint(run.path / "state" / "checkpoint.safetensors", training)
    if steps is not None or minutes is not None:
        budget = {"steps": None, "minutes": None}
        budget |= {} if steps is None else {"steps": training.step + steps}
        budget |= {} if minutes is None else {"minutes": training.elapsed / 60 + minutes}
        config = dataclasses.replace(config, **budget)
        run.amend({"options": dataclasses.asdict(config)})
    elif run.status == "finished":
        raise SimulacraError(f"{run.path}: its budget is spent; say how much more with --steps or --minutes")
    model = SYNTHESIZERS[run.config["family"]](**run.config["options"])
    model._fitted, model._dataset = (config, codec, network, run), data
    dataset = model.dataset_
    rows = to_tensors(codec.encode(dataset.train.values, dataset.train.labels), next(network.parameters()).device)
    return model._learn(run, training, rows, config, dataset, progress)


def _build(family: str, space: Space, config: TrainingConfig, device: torch.device) -> Any:
    """A fresh network; its first weights depend on the seed alone and nobody else's randomness is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build(family, space, config).to(device)


def _settled(run: Run) -> tuple[TrainingConfig, Any]:
    """The config and the codec of a run."""
    try:
        config = resolve(run.config["family"], None, run.config["options"])
        codec = kind(run.config["data"]["kind"]).Codec.restore(run.config["codec"])
        if json.loads(json.dumps(dataclasses.asdict(codec.space))) != run.config["space"]:
            raise ValueError("space and codec do not agree")
    except (SimulacraError, KeyError, TypeError, ValueError) as error:
        raise SimulacraError(f"{run.path / 'config.json'}: damaged ({error}); restore it from a copy") from error
    return config, codec


def _count(player: nn.Module) -> int:
    return sum(parameter.numel() for parameter in player.parameters())
