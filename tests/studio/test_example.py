"""The program in the guide does what the guide says."""

import re
import subprocess
import sys


def test_the_guide_s_program_draws_a_picture(real, repository, tmp_path):
    page = (repository / "docs" / "studio.md").read_text("utf-8")
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
