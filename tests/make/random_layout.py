"""Random layouts: shared layers, nested and repeated indexes, referrers, Docker types, garbage, holes, odd files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.make.layout import (
    ARTIFACT,
    CACHE_CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    LayoutMaker,
    digest,
    plain,
)

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.make.layout import Described

NAMES = ("v1", "v2", "latest", "example.org/team/app:1.0", "sha256-abc.sig", "a--b")
UNKNOWN = "application/vnd.example.bundle.v1+json"


def make_layout(path: Path, random: Random, *, holes: bool = False, odd_names: bool = False) -> LayoutMaker:
    """Makes a layout.

    Args:
        path: a directory that doesn't exist yet.
        random: where the choices come from; the same seed makes the same layout.
        holes: whether referenced blobs may be missing.
        odd_names: whether files that are no content may lie in `blobs/`.
    """
    maker = LayoutMaker(path)
    layers = [maker.layer(f"layer {at}") for at in range(random.randint(1, 6))]
    docker = [maker.layer(f"docker {at}", DOCKER_LAYER) for at in range(2)]
    images: list[Described] = []
    for at in range(random.randint(1, 6)):
        images.append(_image(maker, random, f"image {at}", layers, docker, images))
    for at in range(random.randint(0, 4)):
        listed = random.choices(images, k=random.randint(0, 3))
        media_type = random.choice((INDEX, INDEX, DOCKER_LIST))
        subject = random.choice([None, None, random.choice(images)]) if media_type == INDEX else None
        described = maker.index(
            [{**plain(each), "annotations": {"number": str(at)}} for each in listed],
            subject=subject,
            media_type=media_type,
        )
        images.append(described)
    for image in random.sample(images, random.randint(0, len(images))):
        for _ in range(random.choice((1, 1, 1, 2))):
            maker.enter(plain(image), random.choice((*NAMES, None)))
    for at in range(random.randint(0, 3)):
        maker.layer(f"garbage {at}")
    if holes:
        _make_holes(maker, random)
    if odd_names:
        _scatter(maker, random)
    maker.write()
    return maker


def _image(
    maker: LayoutMaker,
    random: Random,
    text: str,
    layers: list[Described],
    docker: list[Described],
    images: list[Described],
) -> Described:
    kind = random.choice(("oci", "oci", "oci", "docker", "artifact", "cache", "bundle"))
    chosen = random.choices(layers, k=random.randint(0, 3))
    subject = random.choice(images) if images and random.random() < 0.4 else None
    if kind == "docker":
        return maker.manifest(
            text,
            random.choices(docker, k=random.randint(0, 2)),
            config=maker.config(text, DOCKER_CONFIG),
            media_type=DOCKER_MANIFEST,
        )
    if kind == "artifact":
        value: Described = {"mediaType": ARTIFACT, "artifactType": text, "blobs": chosen}
        if subject is not None:
            value["subject"] = plain(subject)
        return maker.json(value, ARTIFACT)
    if kind == "cache":
        named = [{"blob": digest(each), "parent": -1} for each in chosen]
        return maker.manifest(text, chosen, config=maker.json({"layers": named, "records": []}, CACHE_CONFIG))
    if kind == "bundle":
        return maker.json({"text": text, "parts": chosen}, UNKNOWN)
    return maker.manifest(text, chosen, subject=subject)


def _make_holes(maker: LayoutMaker, random: Random) -> None:
    files = sorted((maker.path / "blobs" / "sha256").iterdir())
    for file in random.sample(files, min(len(files), random.randint(0, 2))):
        file.unlink()


def _scatter(maker: LayoutMaker, random: Random) -> None:
    blobs = maker.path / "blobs" / "sha256"
    for name in random.sample(("7f.tmp", "12345", "deadbeef", "zz"), random.randint(0, 1)):
        (blobs / name).write_bytes(b"odd")
    if random.random() < 0.3:
        (maker.path / ".umoci-12345").mkdir()
        (maker.path / ".umoci-12345" / "blob-1").write_bytes(b"half")
    if random.random() < 0.3:
        (maker.path / "oci-put-blob98765").write_bytes(b"half")


__all__ = ["MANIFEST", "NAMES", "UNKNOWN", "make_layout"]
