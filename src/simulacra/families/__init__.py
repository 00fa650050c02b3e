"""The families by name: each a file, each on any Space."""

from simulacra.config import TrainingConfig, family_config
from simulacra.families.diffusion import Diffusion
from simulacra.families.family import Family, Update
from simulacra.families.gan import GAN
from simulacra.families.vae import VAE
from simulacra.space import Space

__all__ = ["GAN", "VAE", "Diffusion", "Family", "Update", "build"]

FAMILIES = {"gan": GAN, "vae": VAE, "diffusion": Diffusion}


def build(family: str, space: Space, config: TrainingConfig) -> GAN | VAE | Diffusion:
    """A fresh model of that family, weights drawn with torch's own generator.

    Raises:
        SimulacraError: If there is no such family.
    """
    family_config(family)
    return FAMILIES[family](space, config)  # type: ignore[arg-type]
