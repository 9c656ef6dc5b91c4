"""Importing ildm or asking for help costs next to nothing: heavy libraries come when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "PIL", "safetensors", "tokenizers", "transformers", "scipy", "resvg_py", "tensorboard")
HELP = """
import sys
from ildm.cli.main import main
sys.argv = ["ildm", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("code", ["import ildm; ildm.__version__; dir(ildm)", HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    report = f"{code}\nimport sys; print('loaded:', *sorted({set(HEAVY)} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].split() == ["loaded:"]
