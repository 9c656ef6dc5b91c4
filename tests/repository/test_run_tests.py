"""`make test` fails when any of its parts does, and tells what each said."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(repository, tmp_path):
    """`run(page, others)` runs tests of that code, and returns (exit status, what was told)."""

    def run(page, others):
        (tmp_path / "tests/browser").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\nmarkers = slow\n")
        (tmp_path / "tests/browser/test_page.py").write_text(page)
        (tmp_path / "tests/test_others.py").write_text(others)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a quicker start
        command = [sys.executable, str(repository / "tools/run_tests.py"), "-m", "not slow", "-p", "xdist", "-n", "0"]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout

    return run


PASSES = "def test_it(): pass\n"
FAILS = "import pytest\n\ndef test_it(): assert 'reason' == 'none'\n\n@pytest.mark.slow\ndef test_long(): assert False\n"


@pytest.mark.parametrize(("page", "others"), [(FAILS, PASSES), (PASSES, FAILS)], ids=["page", "others"])
def test_what_fails_is_told_and_fails_the_whole(page, others, run):
    assert run(PASSES, PASSES)[0] == 0
    status, told = run(page, others)
    assert status == 1
    assert told.count("1 passed") == 1 and told.count("1 failed") == 1
    assert "assert 'reason' == 'none'" in told
    assert told.index("test_others") < told.rindex("tests/browser:") if others == FAILS else "test_page.py" in told
