"""Interactive latent diffusion models: train, run and measure them.

Names are resolved on first use (PEP 562), so `import ildm` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ildm.checkpoint.load import load as load
    from ildm.conditioning.regions import Region as Region
    from ildm.model import Model as Model
    from ildm.session.session import Session as Session

__version__ = "0.1.0.dev0"
__all__ = ["Model", "Region", "Session", "__version__", "load"]

_HOMES = {
    "load": "ildm.checkpoint.load",
    "Model": "ildm.model",
    "Region": "ildm.conditioning.regions",
    "Session": "ildm.session.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ildm' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
