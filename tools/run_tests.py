"""Run the tests: those of the page one by one, and beside them the others, as many at once as there are cores.

    .venv/bin/python tools/run_tests.py -m "not slow"

Arguments go to pytest. The page's tests watch how fast things come, and wait half of their time: the others give way to them, and take
what they leave. What the page's tests say is told when all are done.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest")
PAGE = Path("tests/browser")
SEVERAL = ("-n", "logical", "--maxprocesses", "8", "--dist", "worksteal")


def main() -> int:
    with tempfile.TemporaryFile() as told:
        page = subprocess.Popen([*PYTEST, str(PAGE), *sys.argv[1:]], stdout=told, stderr=subprocess.STDOUT)
        others = subprocess.Popen(
            [*PYTEST, *SEVERAL, "--ignore", str(PAGE), *sys.argv[1:]],
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # each with one core
            preexec_fn=lambda: os.nice(5),
        )
        results = [_ended(others), _ended(page)]
        told.seek(0)
        print(f"\n{PAGE}:", flush=True)
        sys.stdout.buffer.write(told.read())
    return next((result for result in results if result), 0)


def _ended(tests: subprocess.Popen[bytes]) -> int:
    """Its exit status. Ctrl-C reaches the tests themselves, which then end: they are waited for, so that nothing of theirs stays."""
    while True:
        try:
            return tests.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main())
