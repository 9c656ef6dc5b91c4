"""The programs in the guide do what the guide says."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image


def test_the_guide_s_program_draws_a_picture(real, repository, tmp_path):
    page = (repository / "docs" / "server.md").read_text("utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "steer.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "steer.py"],
        cwd=tmp_path,
        env={"ILDM_STUDIO": real.url, "ILDM_HOME": str(real.home), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "step 25 of 25" in done.stdout and "it is a lion" in done.stdout
    assert (tmp_path / "lion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_guide_s_commands_paint_a_region(real, repository, tmp_path):
    page = (repository / "docs" / "server.md").read_text("utf-8")
    [commands] = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "curl" in block]
    Image.new("L", (64, 64)).save(tmp_path / "left.png")
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=tmp_path,
        env={"ILDM_STUDIO": real.url, "ILDM_HOME": str(real.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "error" not in done.stdout, done.stdout + done.stderr
    assert done.stdout.count('"state":"applied"') == 2
    assert (tmp_path / "now.png").read_bytes().startswith(b"\x89PNG")
