"""What an image's big data says: its configuration, or the instances of a manifest list (containers-storage 1.4)."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile, OcistoreError
from ocistore.formats import strict_json
from ocistore.formats.gotime import parse_time

from .layout import big_data_file, is_safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .records import ImageKey, ImageRecord

LIST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ZSTD = "io.github.containers.compression.zstd"

HistoryEntry = tuple[int | None, str, str, str, bool]
"""created (ns, None if absent), created_by, author, comment, empty_layer: what relations compare (2.10)."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's OCI configuration, as far as rules look at it."""

    diff_ids: tuple[str, ...]
    history: tuple[HistoryEntry, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instance:
    """An entry of a manifest list."""

    digest: str
    os: str
    architecture: str
    variant: str
    has_platform: bool
    zstd: bool


class BigData:
    """Reads images' big data, each once.

    Attributes:
        problems: image id -> why its data can't be used, filled as data is asked for.
    """

    def __init__(self, read: Callable[[ImageRecord, str], bytes]) -> None:
        """Takes the function that reads a big-data file of an image by its file name."""
        self._read = read
        self._configs: dict[ImageKey, ImageConfig | None] = {}
        self._instances: dict[ImageKey, tuple[Instance, ...] | None] = {}
        self.problems: dict[str, OcistoreError] = {}

    def config(self, image: ImageRecord) -> ImageConfig | None:
        """The image's configuration; None for a manifest list and where it can't be read (see `problems`)."""
        key = image.key
        if key not in self._configs:
            self._configs[key] = None
            if not self.is_list(image):
                try:
                    self._configs[key] = self._read_config(image)
                except OcistoreError as err:
                    self.problems.setdefault(image.id, err)
        return self._configs[key]

    def opens(self, image: ImageRecord) -> bool:
        """Whether an image can be opened natively: its manifest is there, whatever else is missing (2.10)."""
        try:
            self.document(image, "manifest")
        except OcistoreError:
            return False
        return True

    def is_list(self, image: ImageRecord) -> bool:
        """Whether the image is a manifest list: it has no layer and its manifest lists manifests (2.10)."""
        return self.instances(image) is not None

    def instances(self, image: ImageRecord) -> tuple[Instance, ...] | None:
        """The entries of a manifest list in its order, None for anything else."""
        if image.layer:
            return None
        key = image.key
        if key not in self._instances:
            self._instances[key] = None
            try:
                self._instances[key] = self._read_instances(image)
            except OcistoreError as err:
                self.problems.setdefault(image.id, err)
        return self._instances[key]

    def document(self, image: ImageRecord, key: str) -> Mapping[str, Any]:
        """A big-data item that is a JSON object.

        Raises:
            OcistoreError: missing, unreadable, no JSON object.
        """
        name = big_data_file(key)
        if not is_safe_name(name):
            raise CorruptFile("a big-data name that can't be a file's", place=key[:80])
        try:
            value = strict_json.parse(self._read(image, name))
        except CorruptFile as err:
            raise err.within(f"{image.id}/{name}") from None
        if not isinstance(value, dict):
            raise CorruptFile("is no JSON object", f"{image.id}/{name}")
        return value

    def _read_instances(self, image: ImageRecord) -> tuple[Instance, ...] | None:
        if "manifest" not in image.big_data_names:
            return None
        manifest = self.document(image, "manifest")
        entries = manifest.get("manifests")
        if manifest.get("mediaType") not in LIST_TYPES and not isinstance(entries, list):
            return None
        return tuple(_instance(entry) for entry in entries or () if isinstance(entry, dict))

    def _read_config(self, image: ImageRecord) -> ImageConfig:
        # The configuration's digest is the id of every image that c/image made; only others need their manifest.
        key = f"sha256:{image.id}"
        if key not in image.big_data_names:
            key = self._config_key(image)
        return _config(self.document(image, key))

    def _config_key(self, image: ImageRecord) -> str:
        config = self.document(image, "manifest").get("config")
        digest = config.get("digest") if isinstance(config, dict) else None
        if not isinstance(digest, str):
            raise CorruptFile("its manifest names no configuration", f"{image.id}/manifest")
        return digest


def _instance(entry: Mapping[str, Any]) -> Instance:
    where = entry.get("platform")
    fields = where if isinstance(where, dict) else {}
    notes = entry.get("annotations")

    def text(key: str) -> str:
        value = fields.get(key)
        return value if isinstance(value, str) else ""

    digest = entry.get("digest")
    return Instance(
        digest=digest if isinstance(digest, str) else "",
        os=text("os"),
        architecture=text("architecture"),
        variant=text("variant"),
        has_platform=bool(text("os") or text("architecture")),
        zstd=isinstance(notes, dict) and notes.get(_ZSTD) == "true",
    )


def choose_instance(instances: tuple[Instance, ...], *, prefer_zstd: bool) -> Instance | None:
    """The entry that a look-up takes on this machine's platform (2.7).

    Args:
        instances: in the list's order.
        prefer_zstd: podman 4.7 and later: an entry marked as zstd goes before others of its platform, one without
            platform last.
    """
    for variant in _variants():
        fitting = [i for i in instances if (i.os, i.architecture, i.variant) == ("linux", *variant)]
        if fitting:
            return sorted(fitting, key=lambda i: not i.zstd)[0] if prefer_zstd else fitting[0]
    if prefer_zstd:
        return next((i for i in instances if not i.has_platform), None)
    return None


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "i386": "386", "riscv64": "riscv64"}


def _variants() -> list[tuple[str, str]]:
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    if machine.startswith("armv"):
        return [("arm", f"v{level}") for level in range(int(machine[4:5] or 7), 4, -1)] + [("arm", "")]
    if architecture == "arm64":
        return [("arm64", "v8"), ("arm64", "")]
    return [(architecture, "")]


def _config(document: Mapping[str, Any]) -> ImageConfig:
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    history = document.get("history")
    inner = document.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    return ImageConfig(
        diff_ids=tuple(d for d in diff_ids or () if isinstance(d, str)) if isinstance(diff_ids, list) else (),
        history=tuple(_history(e) for e in history if isinstance(e, dict)) if isinstance(history, list) else (),
        labels={k: v for k, v in labels.items() if isinstance(v, str)} if isinstance(labels, dict) else {},
    )


def _history(entry: Mapping[str, Any]) -> HistoryEntry:
    created = entry.get("created")

    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    return (
        parse_time(created) if isinstance(created, str) else None,
        text("created_by"),
        text("author"),
        text("comment"),
        entry.get("empty_layer") is True,
    )
