"""Random containerd roots: shared and loose content, labels right and wrong, leases, downloads, debris."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.make.containerd import CONTENT, ContainerdMaker, at, digest_of

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

NAMESPACES = ("default", "k8s.io", "moby")
SNAPSHOTTERS = ("overlayfs", "native")
PAST, FUTURE = "2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"
HELPER = "helper"
"""A namespace with a lease of the same id that holds nothing: deleting it calls the collector."""
_EXPIRES: tuple[dict[str, str], ...] = (
    {},
    {},
    {},
    {"containerd.io/gc.expire": PAST},
    {"containerd.io/gc.expire": FUTURE},
    {"containerd.io/gc.expire": "x"},
)
_CONTENT_LABELS = ("m.{}", "l.{}", "{}", "config", "x", "0")
_OTHER_LABELS: tuple[dict[str, str], ...] = (
    {},
    {},
    {},
    {},
    {"containerd.io/gc.root": "1"},
    {"containerd.io/gc.rootish": "1"},
    {"containerd.io/gc.ref.contentX": "sha256:0"},
    {"containerd.io/gc.ref.content.gone": digest_of(b"gone")},
    {"containerd.io/gc.ref.snapshot.overlayfs": "gone"},
    {"containerd.io/gc.expire": PAST},
)


def make_random(root: Path, random: Random) -> ContainerdMaker:
    """A root that is written, with the schema of containerd 1.4 to 1.7."""
    made = ContainerdMaker(root, schema=3)
    for namespace in NAMESPACES[: random.randint(1, 3)]:
        _Namespace(made, namespace, random).make()
    _debris(made, random)
    made.lease(HELPER, HELPER)
    made.write()
    return made


class _Namespace:
    def __init__(self, made: ContainerdMaker, name: str, random: Random) -> None:
        self.made, self.name, self.random = made, name, random
        self.snapshots: dict[str, list[str]] = {snapshotter: [] for snapshotter in SNAPSHOTTERS}
        self.blobs: list[str] = []
        self.ingests: list[str] = []
        self.images: list[str] = []

    def make(self) -> None:
        self._snapshots()
        self._blobs()
        self._images()
        self._ingests()
        self._leases()
        self._containers()

    def _snapshots(self) -> None:
        random = self.random
        for snapshotter, keys in self.snapshots.items():
            committed: list[str] = []
            for n in range(random.randint(0, 6)):
                key = f"{snapshotter[0]}{n}"
                parent = random.choice(committed) if committed and random.random() < 0.6 else ""
                kind = random.choice(("committed", "committed", "active", "view"))
                self.made.snapshot(
                    self.name, key, parent, kind=kind, snapshotter=snapshotter, labels=self._labels() if n else None
                )
                keys.append(key)
                if kind == "committed":
                    committed.append(key)

    def _blobs(self) -> None:
        random = self.random
        for n in range(random.randint(2, 8)):
            # The same bytes in several namespaces, each with labels of its own.
            labels = self._labels()
            for k in range(random.randint(0, 3)):
                if self.blobs:
                    key = random.choice(_CONTENT_LABELS).format(k)
                    labels[f"containerd.io/gc.ref.content.{key}"] = random.choice(self.blobs)
            self.blobs.append(self.made.blob(self.name, b"blob %d" % random.choice((n, n, n + 10)), labels))

    def _labels(self) -> dict[str, str]:
        random = self.random
        labels = dict(random.choice(_OTHER_LABELS))
        snapshotter = random.choice(SNAPSHOTTERS)
        if self.snapshots[snapshotter] and random.random() < 0.3:
            labels[f"containerd.io/gc.ref.snapshot.{snapshotter}"] = random.choice(self.snapshots[snapshotter])
        if self.blobs and random.random() < 0.2:
            labels["containerd.io/gc.ref.content"] = random.choice(self.blobs)
        return labels

    def _images(self) -> None:
        random = self.random
        for n in range(random.randint(0, 4)):
            name = f"docker.io/library/i{n}:1"
            target = random.choice(self.blobs) if random.random() < 0.9 else digest_of(b"gone")
            self.made.image(self.name, name, target, {**self._labels(), **random.choice(_EXPIRES)})
            self.images.append(name)

    def _ingests(self) -> None:
        random = self.random
        for n in range(random.randint(0, 2)):
            expire = random.choice((None, 1_500_000_000, 7_200_000_000))
            expected = random.choice(("", "", random.choice(self.blobs), digest_of(b"orphan")))
            self.made.ingest(self.name, f"d{n}", expire=expire, expected=expected, directory=random.random() < 0.9)
            self.ingests.append(f"d{n}")

    def _leases(self) -> None:
        random = self.random
        for n in range(random.randint(0, 3)):
            labels = dict(random.choice(_EXPIRES))
            if random.random() < 0.3:
                labels["containerd.io/gc.flat"] = "x"
            pairs = [f"{s}/{key}" for s, keys in self.snapshots.items() for key in keys]
            self.made.lease(
                self.name,
                f"l{n}",
                labels,
                content=random.sample(self.blobs, random.randint(0, 2)),
                snapshots=random.sample(pairs, min(len(pairs), random.randint(0, 2))),
                ingests=random.sample(self.ingests, random.randint(0, len(self.ingests))),
            )

    def _containers(self) -> None:
        random = self.random
        for n in range(random.randint(0, 3)):
            snapshotter = random.choice(SNAPSHOTTERS)
            key = random.choice([*self.snapshots[snapshotter], "gone"])
            image = random.choice([*self.images, "gone"])
            self.made.container(self.name, f"c{n}", image, key, snapshotter)


def _debris(made: ContainerdMaker, random: Random) -> None:
    if random.random() < 0.5:
        made.file(f"{CONTENT}/blobs/{digest_of(b'orphan').replace(':', '/')}", b"orphan")
    if random.random() < 0.5:
        made.ingest_directory("default/900/orphan")
    if random.random() < 0.5:
        made.ingest_directory("nameless", with_ref=False)
    for snapshotter in SNAPSHOTTERS:
        base = f"{made.home(snapshotter)}/snapshots"
        for name in ("777", "new-123", "rm-990"):
            if random.random() < 0.3:
                made.directory(f"{base}/{name}/fs")
        known = [key.decode() for key in at(made.backends.setdefault(snapshotter, {}), "v1", "snapshots")]
        parent = ""
        for n in range(random.randint(0, 3)):
            # Snapshots that only the snapshotter has, some on recorded ones.
            if known and random.random() < 0.4:
                parent = random.choice(known)
            made.backend(snapshotter, f"default/{800 + n}/lost", 800 + n, parent)
            parent = f"default/{800 + n}/lost" if random.random() < 0.7 else ""
