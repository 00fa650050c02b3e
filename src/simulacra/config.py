"""Every option of training and of the families, once: the command line, the Run folder and Python read these.

Imports no torch, so that `--help` is instant. The order in which options are settled is: the defaults here,
the recipe of the kind of data (for the NumPy engine, its own on top), a preset, a file, a flag.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from simulacra.errors import SimulacraError, suggest

Activation = Literal["leaky-relu", "relu", "silu", "tanh"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every family's training needs."""

    steps: int | None = 3000
    """Budget in training steps. With both budgets, the first that is spent ends the run."""
    minutes: float | None = None
    """Budget in minutes of training, instead of steps."""
    seed: int = 0
    """The same seed gives the same run on the same machine."""
    batch_size: int = 128
    """Examples in one step."""
    lr: float = 1e-3
    """Learning rate of Adam at its highest."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the learning rate follows the fraction of the budget spent."""
    warmup: float = 0.0
    """Fraction of the budget in which the learning rate rises from zero."""
    beta1: float = 0.9
    """Adam's decay of the mean gradient."""
    beta2: float = 0.999
    """Adam's decay of the mean squared gradient."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW)."""
    clip: float = 0.0
    """Longest gradient of a player, in the 2-norm; 0 for no limit."""
    ema_decay: float = 0.999
    """Decay a step of the moving average of the weights that samples are drawn with; 0 for none."""
    conditional: bool = True
    """Learn the distribution given the label, where the data have labels."""
    network: Literal["mlp", "conv"] = "mlp"
    """Perceptrons, or convolutions for pictures."""
    network_size: Literal["tiny", "small", "base"] = "tiny"
    """Of convolutional networks: about 1, 3 or 17 million weights in a U-Net, 1.5, 5 or 35 in a GAN or a VAE."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    engine: Literal["torch", "numpy"] = "torch"
    """What computes: PyTorch, or plain NumPy with gradients by hand (points only)."""

    def __post_init__(self) -> None:
        check(self.steps is not None or self.minutes is not None, "give a budget: --steps or --minutes")
        check(self.steps is None or self.steps >= 1, f"--steps {self.steps}: must be at least 1")
        check(self.minutes is None or 0 < self.minutes < math.inf, f"--minutes {self.minutes}: must be above 0")
        check(self.batch_size >= 2, f"--batch-size {self.batch_size}: must be at least 2")
        check(0 < self.lr < math.inf, f"--lr {self.lr}: must be above 0")
        check(0 <= self.ema_decay < 1, f"--ema-decay {self.ema_decay}: must be in [0, 1)")
        check(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, "--beta1 and --beta2 must be in [0, 1)")
        check(0 <= self.warmup < 1, f"--warmup {self.warmup}: is a fraction of the budget, in [0, 1)")
        check(self.clip >= 0 and self.weight_decay >= 0, "--clip and --weight-decay must not be negative")
        for field in dataclasses.fields(self):
            if field.name in _WIDTHS:
                widths = getattr(self, field.name)
                check(
                    all(w >= 1 for w in (widths if isinstance(widths, tuple) else (widths,))),
                    f"--{field.name.replace('_', '-')} {widths}: every width must be at least 1",
                )


@dataclass(frozen=True, kw_only=True)
class GANConfig(TrainingConfig):
    """A generator and a discriminator that play against each other (Goodfellow et al. 2014)."""

    loss: Literal["minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic"] = (
        "non-saturating"
    )
    """What the two players minimise."""
    penalties: tuple[Literal["r1", "r2", "gp"], ...] = ("r1", "r2")
    """Gradient penalties of the discriminator: on real data, on generated data, between the two."""
    gamma: float = 0.02
    """Weight of the penalties at the start."""
    gamma_final: float | None = None
    """Weight of the penalties at the end of the budget, reached geometrically; `gamma` throughout if not given."""
    latent_dim: int = 8
    """Size of the latent z."""
    generator_hidden: tuple[int, ...] = (128, 128, 128)
    """Widths of the generator's hidden layers."""
    discriminator_hidden: tuple[int, ...] = (128, 128, 128)
    """Widths of the discriminator's hidden layers."""
    activation: Activation = "leaky-relu"
    """Activation between the layers of both players; the slope of the leaky one is 0.2."""
    generator_octaves: int = 0
    """Octaves of sines and cosines of z that the generator sees beside z; they make sharp turns easy."""
    discriminator_octaves: int = 0
    """Octaves of sines and cosines of x that the discriminator sees beside x; they make fine detail easy."""
    output: Literal["linear", "tanh"] = "linear"
    """What follows the generator's last layer."""
    discriminator_steps: int = 1
    """Steps of the discriminator to one of the generator, each on data of its own."""
    discriminator_lr: float | None = None
    """Learning rate of the discriminator; that of the generator if not given."""
    temperature: float = 0.5
    """Temperature of the Gumbel-softmax that makes discrete variables."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.generator_octaves <= 16, "--generator-octaves must be from 0 to 16")
        check(0 <= self.discriminator_octaves <= 16, "--discriminator-octaves must be from 0 to 16")
        check(self.gamma >= 0, f"--gamma {self.gamma}: must not be negative")
        check(
            self.gamma_final is None or (self.gamma > 0 and self.gamma_final > 0),
            "--gamma-final is reached geometrically, so it and --gamma must be above 0",
        )
        check(self.discriminator_steps >= 1, f"--discriminator-steps {self.discriminator_steps}: must be at least 1")
        check(self.temperature > 0, f"--temperature {self.temperature}: must be above 0")
        check(self.discriminator_lr is None or self.discriminator_lr > 0, "--discriminator-lr must be above 0")


@dataclass(frozen=True, kw_only=True)
class VAEConfig(TrainingConfig):
    """An encoder and a decoder that maximise a lower bound of the likelihood (Kingma and Welling 2013)."""

    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    """The decoder's distribution of x; bernoulli for data near two values, such as ink on paper."""
    sigma: Literal["learned", "analytic"] = "learned"
    """The Gaussian decoder's noise: one learned number, or the optimum for each batch."""
    beta: float = 1.0
    """Weight of the KL term; 1 is the bound itself."""
    beta_warmup: float = 0.0
    """Fraction of the budget in which beta rises from zero."""
    free_bits: float = 0.0
    """Nats of each latent that the KL term leaves unpunished."""
    latent_dim: int = 2
    """Size of the latent z."""
    width: int = 256
    """Width of the residual networks."""
    depth: int = 2
    """Number of residual blocks in the encoder and in the decoder."""
    prior: Literal["aggregate", "standard"] = "aggregate"
    """Sample z from a mixture of Gaussians fitted to the encodings of the data, or from N(0, I)."""
    components: int = 16
    """Gaussians in that mixture."""
    decoder_noise: bool = True
    """Draw samples from the decoder's distribution; without it, its mean is shown."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.beta >= 0, f"--beta {self.beta}: must not be negative")
        check(self.free_bits >= 0, f"--free-bits {self.free_bits}: must not be negative")
        check(0 <= self.beta_warmup < 1, f"--beta-warmup {self.beta_warmup}: is a fraction of the budget, in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(TrainingConfig):
    """A denoiser at every noise level, and a walk from noise to data with it (Sohl-Dickstein et al. 2015)."""

    path: Literal["auto", "edm", "linear", "clean"] = "auto"
    """What the network predicts: the mixture of Karras et al. 2022, the velocity of flow matching, or the clean x;
    auto is clean where an example has more numbers than the network is wide, else edm."""
    noise: Literal["lognormal", "logit-normal", "uniform"] = "lognormal"
    """Density of the noise levels trained on; the latter two are of the time t of the straight path."""
    noise_mean: float = -1.2
    """Mean of log sigma (of logit t); not used by uniform."""
    noise_std: float = 1.2
    """Standard deviation of log sigma (of logit t); not used by uniform."""
    sigma_min: float = 0.002
    """Lowest noise level of the sampler."""
    sigma_max: float = 80.0
    """Highest noise level."""
    rho: float = 7.0
    """How strongly the sampler's noise levels crowd near sigma_min."""
    sampler: Literal["euler", "heun", "dpmpp-2m", "ddpm", "ddim"] = "heun"
    """How samples are drawn, unless `sample` is told otherwise."""
    sampling_steps: int = 18
    """Noise levels in a walk, unless `sample` is told otherwise."""
    octaves: int = 0
    """Octaves of sines and cosines of x that the network sees beside x; they make fine detail easy."""
    label_dropout: float = 0.1
    """Share of labels hidden in training, which classifier-free guidance needs."""
    width: int = 256
    """Width of the residual network."""
    depth: int = 4
    """Number of residual blocks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.octaves <= 16, f"--octaves {self.octaves}: must be from 0 to 16")
        check(0 < self.sigma_min < self.sigma_max, "--sigma-min must be above 0 and below --sigma-max")
        check(self.sampling_steps >= 1, f"--sampling-steps {self.sampling_steps}: must be at least 1")
        check(self.rho > 0 and self.noise_std > 0, "--rho and --noise-std must be above 0")
        check(0 <= self.label_dropout <= 1, f"--label-dropout {self.label_dropout}: must be in [0, 1]")


_WIDTHS = {"latent_dim", "generator_hidden", "discriminator_hidden", "width", "components"}

Config = TypeVar("Config", bound=TrainingConfig)

FAMILIES: dict[str, type[TrainingConfig]] = {"gan": GANConfig, "vae": VAEConfig, "diffusion": DiffusionConfig}

# Chosen by measurement (benchmarks/quality.py); what is not named here is the default above.
RECIPES: dict[tuple[str, str], dict[str, Any]] = {
    ("gan", "points"): dict(
        loss="relativistic", gamma=0.1, gamma_final=1e-3, latent_dim=4, generator_octaves=5, discriminator_octaves=5,
        lr=2e-3, discriminator_lr=4e-3, beta1=0.0, beta2=0.99, ema_decay=0.9995, batch_size=256, steps=10_000,
    ),
    # with beta at 1 the first steps, in which sigma is still wide, often switch the latents off for good
    ("vae", "points"): dict(
        beta=0.5, latent_dim=2, components=64, width=64, depth=2, lr=2e-3, batch_size=64, steps=8000,
    ),
    ("diffusion", "points"): dict(
        width=128, depth=2, octaves=4, lr=5e-3, ema_decay=0.999, batch_size=512, steps=4000, sigma_min=0.01,
        sigma_max=20.0, sampler="dpmpp-2m", sampling_steps=24,
    ),
    ("gan", "images"): dict(
        loss="relativistic", gamma=0.3, gamma_final=0.03, latent_dim=32, generator_hidden=(256, 256),
        discriminator_hidden=(256, 256), lr=1e-3, beta1=0.0, beta2=0.99, ema_decay=0.999, batch_size=64, steps=6000,
    ),
    # the mean is shown, as in every published picture of a VAE; the noise of single pixels is no part of the shapes
    ("vae", "images"): dict(
        latent_dim=24, components=64, decoder_noise=False, width=512, depth=1, lr=1e-3, batch_size=128, steps=6000,
    ),
    ("diffusion", "images"): dict(
        noise_mean=-0.4, width=512, depth=2, lr=2e-3, ema_decay=0.998, batch_size=128,
        steps=6000, sampler="dpmpp-2m", sampling_steps=20,
    ),
}  # fmt: skip

# Over the recipe for points where the NumPy engine computes: networks so small that Python's own time is most of it.
NUMPY_RECIPES: dict[str, dict[str, Any]] = {
    "gan": dict(
        generator_hidden=(32, 32), discriminator_hidden=(32, 32), lr=1e-3, discriminator_lr=4e-3, ema_decay=0.999,
        batch_size=128, steps=2000,
    ),
    "vae": dict(width=32, depth=1, batch_size=64, steps=8000),
    "diffusion": dict(width=64, depth=2, batch_size=128, lr=4e-3, steps=3000),
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """A published model under a name: its family and its options."""

    family: str
    options: dict[str, Any]
    about: str


_TUTORIAL_GAN = dict(
    loss="non-saturating", penalties=(), activation="leaky-relu", output="tanh", latent_dim=100, lr=2e-4, batch_size=64,
    beta1=0.9, beta2=0.999, schedule="constant", ema_decay=0.0, conditional=False, steps=20_000,
)  # fmt: skip

PRESETS: dict[str, Preset] = {
    "mlp-gan-mnist": Preset(
        "gan",
        _TUTORIAL_GAN | dict(generator_hidden=(256, 512), discriminator_hidden=(512, 256)),
        "a widespread tutorial's GAN: 100-256-512-784 tanh against 784-512-256-1",
    ),
    "mlp-gan-mnist-small": Preset(
        "gan",
        _TUTORIAL_GAN | dict(generator_hidden=(128,), discriminator_hidden=(128,)),
        "the smallest tutorial GAN: 100-128-784 tanh against 784-128-1",
    ),
}


def check(holds: bool, otherwise: str) -> None:
    """Raise a SimulacraError with that text unless the condition holds."""
    if not holds:
        raise SimulacraError(otherwise)


def family_config(family: str) -> type[TrainingConfig]:
    """The config class of a family.

    Raises:
        SimulacraError: If there is no such family; the text names the nearest.
    """
    if family not in FAMILIES:
        raise SimulacraError(f'no family "{family}": {suggest(family, FAMILIES)}')
    return FAMILIES[family]


# What a source that names the one and not the other sets back to nothing.
COMPANIONS = {"minutes": "steps", "steps": "minutes", "gamma": "gamma_final", "lr": "discriminator_lr"}


def resolve(
    family: str, kind: str | None, options: Mapping[str, Any], *, preset: str | None = None,
    file: Mapping[str, Any] | None = None,
) -> TrainingConfig:  # fmt: skip
    """The config that follows from all sources of options: recipes of kind and engine < preset < file < options.

    A budget in `minutes` replaces a budget in `steps` of a weaker source, and the other way round; likewise a learning
    rate or a gamma that is named alone holds for both players and throughout (`COMPANIONS`).

    Raises:
        SimulacraError: For an unknown option, preset or value, with the nearest known.
    """
    cls = family_config(family)
    settled: dict[str, Any] = {}
    hints = get_type_hints(cls)
    given = (_preset(family, preset), file or {}, options)
    engine = next((layer["engine"] for layer in reversed(given) if "engine" in layer), cls.engine)
    overlay = NUMPY_RECIPES[family] if engine == "numpy" else {}
    for layer in (RECIPES.get((family, kind or ""), {}), overlay, *given):
        layer = {name: _checked(cls, name, value) for name, value in layer.items()}
        for name, companion in COMPANIONS.items():
            if layer.get(name) is not None and companion in hints and companion not in layer:
                settled[companion] = None
        settled |= layer
    return cls(**settled)


def _preset(family: str, name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name not in PRESETS:
        raise SimulacraError(f'no preset "{name}": {suggest(name, PRESETS)}')
    check(
        PRESETS[name].family == family,
        f'preset "{name}" is a {PRESETS[name].family}; add --family {PRESETS[name].family}',
    )
    return PRESETS[name].options


def _checked(cls: type[TrainingConfig], name: str, value: Any) -> Any:
    """The value of an option in the type that its field wants: JSON and TOML know no tuples."""
    hints = get_type_hints(cls)
    check(name in hints, f'no option "{name}" in {cls.__name__}: {suggest(name, hints)}')
    hint = hints[name]
    wanted = get_args(hint) or (hint,)
    if str(hint).startswith("tuple"):
        check(isinstance(value, list | tuple), f"{name}={value!r}: must be a list")
        choices = get_args(wanted[0])
        for item in value:
            check(not choices or item in choices, f'{name}: no "{item}": {suggest(str(item), choices)}')
            check(bool(choices) or _fits(item, wanted[0]), f"{name}={value!r}: must be whole numbers")
        return tuple(value)
    if str(hint).startswith("typing.Literal"):
        check(value in wanted, f'{name}: no "{value}": {suggest(str(value), wanted)}')
        return value
    check(
        any(_fits(value, one) for one in wanted), f"{name}={value!r}: must be {' or '.join(_plain(w) for w in wanted)}"
    )
    return float(value) if float in wanted and value is not None else value


def _fits(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _plain(wanted: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(wanted, "nothing")
