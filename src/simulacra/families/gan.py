r"""Generative adversarial networks: a generator and a discriminator that play against each other.

The game: :math:`\min_G \max_D V(D, G) = E[\log D(x)] + E[\log(1 - D(G(z)))]`. For a fixed generator the best
discriminator is :math:`D^* = p / (p + q)`; with it the value is :math:`-\log 4 + 2 \, JSD(p, q)`
(Goodfellow et al. 2014, proposition 1 and theorem 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simulacra.config import GANConfig, check
from simulacra.errors import UnsupportedError
from simulacra.families.family import Update
from simulacra.families.heads import class_shares, convolutional, draw, labels_for, one_hot, split_head
from simulacra.nets.conv import SIZES, ConvDown, ConvUp
from simulacra.nets.embed import octave_features
from simulacra.nets.mlp import MLP, flat
from simulacra.noise import Noise
from simulacra.space import Batch, Known, Space

# --- losses: pure functions of logits (B,) ---------------------------------------------------------------------


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""Binary cross-entropy of the discriminator, in nats.

    .. math:: -E[\log D(x)] - E[\log(1 - D(G(z)))], \quad \text{at best } \log 4 - 2 \, JSD(p, q)

    Args:
        real_logits: Logits of D on real examples, (B,).
        fake_logits: Logits of D on generated examples, (B,).

    Source: Goodfellow et al. 2014, equation 1.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def minimax_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""E[log(1 - D(G(z)))]: the game's own loss, flat where D is sure (Goodfellow et al. 2014, equation 1)."""
    return -F.softplus(fake_logits).mean()


def non_saturating_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    r"""-E[log D(G(z))]: steep where D is sure; log 2 where D knows nothing (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits).mean()


def least_squares_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """(E[(D(x) - 1)^2] + E[D(G(z))^2]) / 2; 1/4 where D knows nothing (Mao et al. 2017, equation 9)."""
    return ((real_logits - 1).square().mean() + fake_logits.square().mean()) / 2


def least_squares_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, equation 9)."""
    return (fake_logits - 1).square().mean() / 2


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]; 2 where D knows nothing (Lim and Ye 2017, equation 7)."""
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[D(G(z))] - E[D(x)]: minus a lower bound of the earth mover's distance (Arjovsky et al. 2017, equation 2)."""
    return fake_logits.mean() - real_logits.mean()


def linear_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E[D(G(z))]: the generator's side of the hinge and the Wasserstein loss."""
    return -fake_logits.mean()


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[softplus(D(G(z)) - D(x))] over pairs; log 2 where D knows nothing (Jolicoeur-Martineau 2018, equation 6)."""
    return F.softplus(fake_logits - real_logits).mean()


def relativistic_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[softplus(D(x) - D(G(z)))] over pairs (Jolicoeur-Martineau 2018, equation 7)."""
    return F.softplus(real_logits - fake_logits).mean()


Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, tuple[Loss, Loss]] = {  # of the discriminator, of the generator
    "minimax": (discriminator_loss, minimax_generator_loss),
    "non-saturating": (discriminator_loss, non_saturating_generator_loss),
    "least-squares": (least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": (hinge_discriminator_loss, linear_generator_loss),
    "wasserstein": (wasserstein_discriminator_loss, linear_generator_loss),
    "relativistic": (relativistic_discriminator_loss, relativistic_generator_loss),
}


def squared_gradient(logits: Tensor, inputs: Tensor) -> Tensor:
    r"""Squared length of the gradient of each logit with respect to its own input, (B,).

    .. math:: \lVert \nabla_x D(x) \rVert^2

    Its mean on real data is R1, on generated data R2; both enter the loss with gamma / 2.

    Args:
        logits: D on `inputs`, (B,).
        inputs: (B, width), requiring a gradient.

    Source: Mescheder et al. 2018, equations 9 and 10.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return gradient.square().sum(1)


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    r"""Penalty on a slope other than 1 between real and generated data.

    .. math:: E[(\lVert \nabla D(\hat x) \rVert - 1)^2], \quad \hat x = u x + (1 - u) G(z)

    Args:
        discriminator: Takes (B, width), gives logits (B,).
        real: (B, width).
        fake: (B, width).
        mix: The numbers u in [0, 1], (B, 1).

    Source: Gulrajani et al. 2017, equation 3 (their lambda is our gamma).
    """
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    length = (squared_gradient(discriminator(between), between) + 1e-12).sqrt()
    return (length - 1).square().mean()


# --- the two players -------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """G: a latent z (B, latent_dim) and a label to x, with logits for the discrete part."""

    def __init__(self, space: Space, config: GANConfig) -> None:
        super().__init__()
        self.space = space
        self.octaves = config.generator_octaves
        inputs = config.latent_dim * (1 + 2 * self.octaves) + space.num_classes
        if convolutional(space, config.network):
            self.layers = ConvUp(inputs, space.shape, **SIZES[config.network_size])
        else:
            self.layers = MLP(inputs, config.generator_hidden, space.width, act=config.activation)
        self.bounded = config.output == "tanh"

    def forward(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        given = None if label is None else F.one_hot(label, self.space.num_classes).float()
        waves = octave_features(z, self.octaves) if self.octaves else None
        x, logits = split_head(self.layers(flat(z, waves, given)), self.space)
        return (x.tanh() if self.bounded else x), logits


class Discriminator(nn.Module):
    """D: an example as one flat row (B, width) and its label to a logit (B,)."""

    def __init__(self, space: Space, config: GANConfig) -> None:
        super().__init__()
        self.space = space
        self.octaves = config.discriminator_octaves
        if convolutional(space, config.network):
            check(not self.octaves, "--discriminator-octaves: a convolutional network has none; leave it out")
            self.layers = ConvDown(space.shape, 1, extra=space.num_classes, **SIZES[config.network_size])
        else:
            inputs = space.width + 2 * self.octaves * space.dim + space.num_classes
            self.layers = MLP(inputs, config.discriminator_hidden, 1, act=config.activation)

    def forward(self, row: Tensor, label: Tensor | None = None) -> Tensor:
        given = None if label is None else F.one_hot(label, self.space.num_classes).float()
        waves = octave_features(row[:, : self.space.dim], self.octaves) if self.octaves else None
        return self.layers(flat(row, waves, given))[:, 0]


class GAN(nn.Module):
    """A generator and a discriminator on one Space; satisfies `Family`.

    Args:
        space: What one example looks like.
        config: The options.
    """

    shares: Tensor

    def __init__(self, space: Space, config: GANConfig) -> None:
        super().__init__()
        self.space, self.config = space, config
        self.generator = Generator(space, config)
        self.discriminator = Discriminator(space, config)
        self.register_buffer("shares", torch.ones(space.num_classes) / max(space.num_classes, 1))

    def prepare(self, data: Batch) -> None:
        """Take the shares of the labels from the training data."""
        self.shares.copy_(class_shares(data, self.space))

    def players(self) -> dict[str, nn.Module]:
        return {"discriminator": self.discriminator, "generator": self.generator}

    @property
    def batches_per_step(self) -> int:
        return self.config.discriminator_steps

    def row(self, batch: Batch) -> Tensor:
        """Real examples as the discriminator sees them: x and the one-hot c side by side, (B, width)."""
        return flat(batch.x, one_hot(batch.c, self.space.categories))

    def generate(self, z: Tensor, label: Tensor | None, gumbel: Tensor | None) -> Tensor:
        r"""G(z) as the discriminator sees it, (B, width): discrete parts by the Gumbel-softmax.

        .. math:: \mathrm{softmax}((\mathrm{logits} + g) / \tau), \quad g = -\log(-\log u)

        Source: Jang et al. 2016, equation 2; Maddison et al. 2016.
        """
        x, logits = self.generator(z, label)
        if gumbel is None:
            return x.flatten(1)
        parts = ((logits + gumbel) / self.config.temperature).split(list(self.space.categories), dim=1)
        return flat(x, *(part.softmax(1) for part in parts))

    def updates(self, batch: Batch, rng: torch.Generator, fraction: float) -> Iterator[Update]:
        """One loss of the discriminator for each of its steps, then one of the generator."""
        discriminate_loss, generate_loss = LOSSES[self.config.loss]
        real, label, z, gumbel = self.row(batch), batch.label, None, None
        size = batch.size // self.config.discriminator_steps
        for k in range(self.config.discriminator_steps):
            rows = slice(k * size, (k + 1) * size)
            real, label = self.row(batch.rows(rows)), None if batch.label is None else batch.label[rows]
            z, gumbel = self._latents(size, real.device, rng)
            with torch.no_grad():
                fake = self.generate(z, label, gumbel)
            yield self._discriminator_update(real, fake, label, discriminate_loss, self.gamma(fraction), rng)
        # the generator meets fresh latents, and the discriminator that has just moved
        z, gumbel = self._latents(len(real), real.device, rng)
        fake_logits = self.discriminator(self.generate(z, label, gumbel), label)
        # only the relativistic loss looks at the real logits again
        real_logits = self.discriminator(real, label).detach() if self.config.loss == "relativistic" else fake_logits
        yield Update("generator", generate_loss(real_logits, fake_logits), {})

    def gamma(self, fraction: float) -> float:
        r"""Weight of the penalties at a fraction of the budget: :math:`\gamma^{1 - f} \, \gamma_{final}^f`.

        A strong penalty makes D smooth: it sees coarse differences and pulls the generator to every mode. A weak one
        lets it see fine ones.
        """
        start, final = self.config.gamma, self.config.gamma_final
        return start if final is None else start ** (1 - fraction) * final**fraction

    def _latents(self, n: int, device: torch.device, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        z = torch.randn(n, self.config.latent_dim, device=device, generator=rng)
        if not self.space.categories:
            return z, None
        u = torch.rand(n, sum(self.space.categories), device=device, generator=rng).clamp(1e-9, 1 - 1e-7)
        return z, -torch.log(-torch.log(u))

    def _discriminator_update(
        self, real: Tensor, fake: Tensor, label: Tensor | None, loss: Loss, gamma: float, rng: torch.Generator
    ) -> Update:
        penalties, n = self.config.penalties, len(real)
        rows = torch.cat([real, fake]).requires_grad_("r1" in penalties or "r2" in penalties)
        logits = self.discriminator(rows, None if label is None else torch.cat([label, label]))
        real_logits, fake_logits = logits[:n], logits[n:]
        total = loss(real_logits, fake_logits)
        logs = {
            "adversarial": total.detach(),
            "accuracy": ((real_logits > 0).float().mean() + (fake_logits < 0).float().mean()).detach() / 2,
            "real_logit": real_logits.detach().mean(),
            "fake_logit": fake_logits.detach().mean(),
        }
        if rows.requires_grad:
            squared = squared_gradient(logits, rows)
            for name, part in (("r1", squared[:n]), ("r2", squared[n:])):
                if name in penalties:
                    logs[name] = part.detach().mean()
                    total = total + gamma / 2 * part.mean()
        if "gp" in penalties:
            mix = torch.rand(n, 1, device=real.device, generator=rng)
            penalty = gradient_penalty(lambda between: self.discriminator(between, label), real, fake, mix)
            logs["gp"] = penalty.detach()
            total = total + gamma * penalty
        return Update("discriminator", total, logs)

    def conclude(self, data: Batch, *, seed: int) -> None:
        """Nothing is fitted after training."""

    def latents(self, n: int, noise: Noise) -> Tensor:
        """Latents z ~ N(0, I), (n, latent_dim)."""
        return noise.normal(self.config.latent_dim)

    def realise(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What latents stand for, G(z): x (B, *shape) and the logits of c."""
        return self.generator(z, label)

    def sample(
        self, n: int, *, label: Tensor | None = None, known: Known | None = None, noise: Noise,
        guidance_scale: float = 1.0,
    ) -> Batch:  # fmt: skip
        """n examples, G(z) with z ~ N(0, I).

        Raises:
            UnsupportedError: If parts of the example are given; the generator cannot be told of them.
        """
        if known is not None:
            raise UnsupportedError("a GAN cannot complete partly given examples; train with --family diffusion")
        if guidance_scale != 1.0:
            raise UnsupportedError(
                "a GAN has no guidance; leave --guidance-scale at 1 or train with --family diffusion"
            )
        label = labels_for(label, self.shares, noise)
        x, logits = self.generator(self.latents(n, noise), label)
        return Batch(x, draw(logits, self.space.categories, noise), label)

    def discriminate(self, batch: Batch) -> Tensor:
        """D(x), the probability that x is real, (B,); p / (p + q) for the best discriminator."""
        return self.discriminator(self.row(batch), batch.label).sigmoid()
