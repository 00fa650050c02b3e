r"""Diffusion: a denoiser at every noise level, and a walk from noise to data with it.

One continuous core for score-based diffusion and flow matching. The straight path of flow matching,
:math:`x_t = (1 - t) x + t \varepsilon`, is :math:`x_\sigma = x + \sigma \varepsilon` with :math:`\sigma = t / (1 - t)`,
divided by :math:`1 + \sigma`; so the two differ in the preconditioning and in the density of noise levels, no more.
Discrete variables are masked with probability :math:`t = \sigma / (1 + \sigma)` and guessed back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simulacra.config import DiffusionConfig, check
from simulacra.errors import SimulacraError, UnsupportedError, suggest
from simulacra.families.family import Update
from simulacra.families.heads import class_shares, convolutional, cross_entropy, draw, labels_for, one_hot
from simulacra.families.preconditioning import PATHS, denoising_loss, min_snr_weight
from simulacra.families.samplers import SAMPLERS, Denoise, State, dpmpp_2m, heun, karras_sigmas, walk
from simulacra.nets.conv import size
from simulacra.nets.embed import FourierEmbedding, octave_features
from simulacra.nets.mlp import ResidualMLP, flat
from simulacra.nets.unet import SIZES, UNet
from simulacra.noise import Noise
from simulacra.space import Batch, Examples, Known, Space

CONDITION_WIDTH = 128  # of the embedding that the blocks are told; more was no better and cost as much as a layer
NUMBERS_MEASURED = 2**27  # of x, for its standard deviation: half a gigabyte, 20,000 pictures of 32 x 32 in colour


def mask_rate(sigma: Tensor) -> Tensor:
    """Probability t = sigma / (1 + sigma) that a discrete variable is hidden at that noise level."""
    return sigma / (1 + sigma)


class Denoiser(nn.Module):
    """D(x, sigma) and the logits of the discrete part: a backbone and its preconditioning."""

    sigma_data: Tensor

    def __init__(self, space: Space, config: DiffusionConfig) -> None:
        super().__init__()
        conv, path = convolutional(space, config.network), config.path
        if path == "auto":
            path = "clean" if space.dim > config.width and not conv else "edm"
        self.space, self.scales = space, PATHS[path]
        condition = CONDITION_WIDTH if conv else min(config.width, CONDITION_WIDTH)
        self.embed_noise = FourierEmbedding(condition)
        # one more than there are classes: the last stands for "any"
        self.embed_label = nn.Embedding(space.num_classes + 1, condition) if space.num_classes else None
        self.octaves = config.octaves
        inputs = (1 + 2 * self.octaves) * space.dim
        inputs += sum(space.categories) + len(space.categories)  # every discrete variable has a value more, "hidden"
        if conv:
            check(not self.octaves, "--octaves: a convolutional network has none; leave it out")
            self.backbone = UNet(space.shape, condition, **size(SIZES, config.network_size))
        else:
            self.backbone = ResidualMLP(
                inputs, config.width, config.depth, space.width, condition=condition, zero_start=True
            )
        self.register_buffer("sigma_data", torch.ones(()))

    def forward(self, x_t: Tensor, sigma: Tensor, c: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The estimate of the clean x, (B, *shape), and logits of c, (B, sum(categories)).

        Args:
            x_t: x + sigma * noise, (B, *shape).
            sigma: Noise levels, (B,), or (1,) for all rows.
            c: Discrete variables, (B, len(categories)); the value `size` stands for hidden.
            label: Class ids, (B,); `num_classes` stands for any, as None does.
        """
        skip, out, into = self.scales(sigma[:, None], self.sigma_data)
        embedding = self.embed_noise(sigma.log() / 4)
        if self.embed_label is not None:
            anyone = torch.tensor([self.space.num_classes], device=sigma.device)
            embedding = embedding + self.embed_label(anyone if label is None else label)
        hidden = one_hot(c, [size + 1 for size in self.space.categories])
        x_in = x_t.flatten(1) * into
        waves = octave_features(x_in, self.octaves) if self.octaves else None
        h = self.backbone(flat(x_in, waves, hidden), F.silu(embedding))
        x_head, logits = h[:, : self.space.dim], h[:, self.space.dim :]
        denoised = skip * x_t.flatten(1) + out * x_head
        return denoised.reshape(x_t.shape), logits


class Guided(nn.Module):
    r"""A denoiser drawn towards a label: :math:`D_{any} + s (D_{label} - D_{any})`; s = 1 is the denoiser itself.

    Source: Ho and Salimans 2022, "Classifier-free diffusion guidance", equation 6, with s = 1 + w.
    """

    def __init__(self, denoiser: Denoiser, scale: float) -> None:
        super().__init__()
        self.denoiser, self.scale = denoiser, scale

    def forward(self, x_t: Tensor, sigma: Tensor, c: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        denoised, logits = self.denoiser(x_t, sigma, c, label)
        if self.scale == 1.0:
            return denoised, logits
        free, free_logits = self.denoiser(x_t, sigma, c, None)
        return free + self.scale * (denoised - free), free_logits + self.scale * (logits - free_logits)


class Diffusion(nn.Module):
    """A diffusion model on one Space; satisfies `Family`.

    Args:
        space: What one example looks like.
        config: The options.
    """

    shares: Tensor

    def __init__(self, space: Space, config: DiffusionConfig) -> None:
        super().__init__()
        self.space, self.config = space, config
        self.denoiser = Denoiser(space, config)
        self.register_buffer("shares", torch.ones(space.num_classes) / max(space.num_classes, 1))

    def prepare(self, data: Examples) -> None:
        """Take the standard deviation of x and the shares of the labels from the training data."""
        self.shares.copy_(class_shares(data, self.space))
        if self.space.dim:
            most = max(1, min(20_000, NUMBERS_MEASURED // self.space.dim))
            every = -(-data.size // most)  # evenly, for files may be sorted by class
            self.denoiser.sigma_data.copy_(data.rows(slice(None, None, every)).x.std().clamp(min=1e-3))

    def players(self) -> dict[str, nn.Module]:
        return {"denoiser": self.denoiser}

    @property
    def batches_per_step(self) -> int:
        return 1

    def draw_sigma(self, n: int, device: torch.device, rng: torch.Generator) -> Tensor:
        r"""Noise levels to train on, (B,).

        lognormal: :math:`\log \sigma \sim N(m, s)`, in units of the data's scale (Karras et al. 2022, table 1).
        logit-normal: the same for :math:`t = \sigma / (1 + \sigma)`, for :math:`\mathrm{logit}\, t = \log \sigma`
        (Esser et al. 2024, section 3.1). uniform: t uniform (Lipman et al. 2022).
        """
        config = self.config
        if config.noise == "uniform":
            log_sigma = torch.logit(torch.rand(n, device=device, generator=rng), eps=1e-5)
        else:
            log_sigma = config.noise_mean + config.noise_std * torch.randn(n, device=device, generator=rng)
        if config.noise == "lognormal":
            log_sigma = log_sigma + (2 * self.denoiser.sigma_data).log()  # the source's data have sigma_data 0.5
        return log_sigma.exp().clamp(config.sigma_min / 2, config.sigma_max * 2)

    def updates(self, batch: Batch, rng: torch.Generator, fraction: float) -> Iterator[Update]:
        """One loss: squared error of the denoiser on x, cross-entropy on the hidden part of c."""
        x, c, label = batch.x, batch.c, batch.label
        n, device = batch.size, x.device
        sigma = self.draw_sigma(n, device, rng)
        noise = torch.randn(x.shape, device=device, generator=rng)
        hidden = torch.rand(c.shape, device=device, generator=rng) < mask_rate(sigma)[:, None]
        sizes = torch.tensor(self.space.categories, dtype=c.dtype, device=device)
        if label is not None:
            anonymous = torch.rand(n, device=device, generator=rng) < self.config.label_dropout
            label = torch.where(anonymous, self.space.num_classes, label)
        x_t = x.flatten(1) + sigma[:, None] * noise.flatten(1)
        denoised, logits = self.denoiser(x_t.reshape(x.shape), sigma, torch.where(hidden, sizes, c), label)
        loss, logs = x.new_zeros(()), {}
        if self.space.dim:
            scales = self.denoiser.scales(sigma[:, None], self.denoiser.sigma_data)
            each = denoising_loss(x.flatten(1), denoised.flatten(1), scales)
            if self.config.weighting == "min-snr":
                each = each * min_snr_weight(sigma, self.denoiser.sigma_data, scales)
            loss = each.mean()
            logs["denoising"] = loss.detach()
        if self.space.categories:
            guessing = cross_entropy(logits, c, self.space.categories)
            guessing = (guessing * hidden).sum() / hidden.sum().clamp(min=1)
            logs["guessing"] = guessing.detach()
            loss = loss + guessing
        yield Update("denoiser", loss, logs)

    def conclude(self, data: Examples, *, seed: int) -> None:
        """Nothing is fitted after training."""

    def sigmas(self, sampling_steps: int) -> Tensor:
        """The sampler's noise levels, (sampling_steps + 1,), ending in 0."""
        config = self.config
        return karras_sigmas(
            sampling_steps, sigma_min=config.sigma_min, sigma_max=config.sigma_max, rho=config.rho
        )  # fmt: skip

    def latents(self, n: int, noise: Noise) -> Tensor:
        """Where walks begin, before the scaling by sigma_max: standard normal, (n, *shape)."""
        return noise.normal(*self.space.x_shape)

    def trajectory(
        self, n: int, *, label: Tensor | None = None, known: Known | None = None, noise: Noise,
        sampler: str | None = None, sampling_steps: int | None = None, guidance_scale: float = 1.0,
        unconditional: bool = False,
    ) -> Iterator[tuple[State, Tensor]]:  # fmt: skip
        """The walk from noise to n examples: every state of x, with the discrete part at that level.

        Args:
            n: How many.
            label: Class ids (n,); drawn with the shares of the training data if None.
            known: Parts that are given.
            noise: The randomness of every row.
            sampler: A name in `SAMPLERS`; that of the config if None.
            sampling_steps: Noise levels of the walk; that of the config if None.
            guidance_scale: 1.0 is off.
            unconditional: Walk without labels, though the model knows some.

        Given parts of x are held by replacing the estimate of the clean x there, which pulls the flow to them along
        a straight line; given parts of c are never hidden.
        """
        sampler = sampler or self.config.sampler
        if sampler not in SAMPLERS:
            raise SimulacraError(f'no sampler "{sampler}": {suggest(sampler, SAMPLERS)}')
        if sampling_steps is not None and sampling_steps < 1:
            raise SimulacraError(f"sampling_steps {sampling_steps}: must be at least 1")
        if guidance_scale != 1.0 and not self.space.num_classes:
            raise UnsupportedError("guidance needs a model that was trained with labels; leave --guidance-scale at 1")
        if unconditional and (label is not None or guidance_scale != 1.0):
            raise UnsupportedError("an unconditional sample takes no label and no guidance; leave out one or the other")
        if unconditional and self.space.num_classes and not self.config.label_dropout:
            raise UnsupportedError("this model has never done without labels (--label-dropout 0); give a label instead")
        sigmas = self.sigmas(sampling_steps or self.config.sampling_steps)
        label = None if unconditional else labels_for(label, self.shares, noise)
        guided = Guided(self.denoiser, guidance_scale)
        x = sigmas[0] * self.latents(n, noise)
        c = torch.tensor(self.space.categories, device=x.device).expand(n, -1).long()
        if known is not None:
            c = torch.where(known.c_mask, known.batch.c, c)
        logits = x.new_zeros(n, sum(self.space.categories))

        def denoise(x_t: Tensor, sigma: Tensor) -> Tensor:
            nonlocal logits
            denoised, logits = guided(x_t, sigma, c, label)
            return denoised if known is None else torch.where(known.x_mask, known.batch.x, denoised)

        rate = 1.0
        for state in walk(sampler, denoise, x, sigmas, noise=noise):
            if self.space.categories:
                following = float(mask_rate(state.sigma))
                hidden = c == torch.tensor(self.space.categories, device=c.device)
                reveal = noise.uniform(len(self.space.categories)) < 1 - following / rate
                c = torch.where(hidden & reveal, draw(logits, self.space.categories, noise), c)
                rate = following
            yield state, c

    def sample(
        self, n: int, *, label: Tensor | None = None, known: Known | None = None, noise: Noise, **options: Any
    ) -> Batch:
        """n examples, the end of a `trajectory`.

        Args:
            n: How many.
            label: Class ids (n,); drawn with the shares of the training data if None.
            known: Parts that are given.
            noise: The randomness of every row.
            **options: sampler, sampling_steps, guidance_scale and unconditional, as of `trajectory`.
        """
        if not options.get("unconditional"):
            label = labels_for(label, self.shares, noise)
        [(state, c)] = deque(self.trajectory(n, label=label, known=known, noise=noise, **options), maxlen=1)
        return Batch(state.x_t, c, label)

    def realise(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What latents stand for: the end of the deterministic walk from sigma_max z, (B, *shape); no logits of c."""
        sigmas = self.sigmas(self.config.sampling_steps)
        return self.follow(float(sigmas[0]) * z, sigmas, label), z.new_zeros(len(z), 0)

    def follow(self, x_t: Tensor, sigmas: Tensor, label: Tensor | None = None) -> Tensor:
        """The probability flow from x_t at the first of the sigmas to the last, falling to 0 or rising: (B, *shape)."""
        c = x_t.new_zeros(len(x_t), 0, dtype=torch.int64)
        walk = heun if sigmas[-1] > 0 else dpmpp_2m
        *_, last = walk(lambda x, sigma: self.denoiser(x, sigma, c, label)[0], x_t, sigmas)
        return last.x_t

    def invert(self, x: Tensor, label: Tensor | None = None, *, steps: int = 64) -> Tensor:
        """The latents that the flow takes to x, (B, *shape): the flow run backwards, by Heun's method."""
        sigmas = self.sigmas(steps)[:-1].flip(0)
        return self.follow(x, sigmas, label) / float(sigmas[-1])

    def denoise(self, batch: Batch, sigma: float) -> Tensor:
        """The estimate of the clean x given x at noise level sigma, (B, *shape)."""
        level = torch.full((1,), sigma, device=batch.x.device)
        return self.denoiser(batch.x, level, batch.c, batch.label)[0]

    def score_samples(self, batch: Batch, *, sampling_steps: int = 128) -> Tensor:
        r"""Log-density of x by the probability-flow ODE with an exact divergence, in nats of model space, (B,).

        .. math:: \log p(x) = \log N(x_{\sigma_{max}}; 0, \sigma_{max}^2 + \sigma_d^2)
                  + \int \nabla \cdot \frac{x_\sigma - D(x_\sigma, \sigma)}{\sigma} \, d\sigma

        solved by Heun's method from sigma_min up.

        Raises:
            UnsupportedError: If there are discrete variables, or x has more than 16 numbers: the exact divergence takes
                a backward pass for each.

        Source: Song et al. 2021, "Score-based generative modeling", equation 39.
        """
        if self.space.categories or not 0 < self.space.dim <= 16:
            raise UnsupportedError("the density of a diffusion model is computed for points of at most 16 numbers")
        label = batch.label

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return self.denoiser(x, sigma, batch.c, label)[0]

        sigmas = self.sigmas(sampling_steps)[:-1].flip(0).to(batch.x)
        return log_density(
            denoise, batch.x, sigmas, prior_variance=self.config.sigma_max**2 + self.denoiser.sigma_data**2
        )


def log_density(denoise: Denoise, x: Tensor, sigmas: Tensor, *, prior_variance: Tensor | float) -> Tensor:
    """The probability flow's log-density of x at the first of the rising `sigmas`; see `Diffusion.score_samples`."""
    dim = x[0].numel()

    def slope(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = (x - denoise(x, sigma.reshape(1))) / sigma
            columns = velocity.flatten(1).unbind(1)
            rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1)[:, i]
                    for i, column in enumerate(columns)]  # fmt: skip
        return velocity.detach(), torch.stack(rows, dim=1).sum(1)

    x, total = x.detach(), x.new_zeros(len(x))
    for sigma, following in pairwise(sigmas):
        step = following - sigma
        velocity, divergence = slope(x, sigma)
        ahead, divergence_ahead = slope(x + step * velocity, following)
        x = x + step * (velocity + ahead) / 2
        total = total + step * (divergence + divergence_ahead) / 2
    log_prior = -(x.flatten(1).square().sum(1) / prior_variance + dim * math.log(2 * math.pi)
                  + dim * torch.as_tensor(prior_variance).log()) / 2  # fmt: skip
    return log_prior + total
