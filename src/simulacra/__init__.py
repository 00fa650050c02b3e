"""Learn the distribution of any data set with a GAN, a VAE or a diffusion model, and make more of it.

The public names load on first use, so that `import simulacra` is instant and imports no torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Threads of torch and scikit-learn that wait for each other go to sleep soon instead of spinning for a long while: as
# fast on an idle machine, and several times as fast beside other work. It is read when those libraries are loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOMES = {
    "load": "simulacra.data",
    "Dataset": "simulacra.data",
    "GAN": "simulacra.synthesizer",
    "VAE": "simulacra.synthesizer",
    "Diffusion": "simulacra.synthesizer",
    "open_run": "simulacra.synthesizer",
    "evaluate": "simulacra.evaluation",
    "compare": "simulacra.comparison",
    "audit": "simulacra.auditing",
    "augment": "simulacra.augmentation",
    "replicate": "simulacra.replicates",
    "write_report": "simulacra.report",
    "interpolate": "simulacra.steering",
    "vary": "simulacra.steering",
    "inpaint": "simulacra.steering",
    "reconstruct": "simulacra.steering",
    "SimulacraError": "simulacra.errors",
}
__all__ = [
    "GAN",
    "VAE",
    "Dataset",
    "Diffusion",
    "SimulacraError",
    "audit",
    "augment",
    "compare",
    "evaluate",
    "inpaint",
    "interpolate",
    "load",
    "open_run",
    "reconstruct",
    "replicate",
    "vary",
    "write_report",
]

if TYPE_CHECKING:
    from simulacra.auditing import audit
    from simulacra.augmentation import augment
    from simulacra.comparison import compare
    from simulacra.data import Dataset, load
    from simulacra.errors import SimulacraError
    from simulacra.evaluation import evaluate
    from simulacra.replicates import replicate
    from simulacra.report import write_report
    from simulacra.steering import inpaint, interpolate, reconstruct, vary
    from simulacra.synthesizer import GAN, VAE, Diffusion, open_run


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'simulacra' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
