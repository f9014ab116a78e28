"""A data-root as docker's commands change it: containers and volumes, which both image stores share.

The state is that after a start of the daemon (docker-buildkit-containerd Part 5, "State used"): what a start removes
by itself is gone, and no command's doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.findings import CODES, Finding
from ocistore.plan.closure import owned_paths
from ocistore.plan.plan import Outcome, Removal
from ocistore.stores.docker.layout import CONTAINERS, VOLUMES

from .failures import Doubtful, RuleFails
from .versions import rules_of

if TYPE_CHECKING:
    from ocistore.plan.buildkit.cache_state import CacheState
    from ocistore.stores.docker.records import ContainerRecord, DockerRecords, VolumeRecord
    from ocistore.stores.store import Store

    from .modes import ImageMode
    from .versions import Rules


class DockerState:
    """What the daemon knows, while commands run on it.

    Attributes:
        outcome: what receives removals.
        rules: of the command that runs.
        containers: those that the daemon loads, by id.
        volumes: by name.
        started: what the start removed; no command's doing.
        builds_gone: refs of builds that were removed.
        images: the image store in use; set by whoever makes the state.
    """

    images: ImageMode

    def __init__(self, store: Store, now_ns: int) -> None:
        self.store, self.now_ns = store, now_ns
        self.records: DockerRecords = store.detail
        self.outcome = Outcome()
        self.rules: Rules = rules_of(None)
        self._cache: CacheState | None = None
        self.builds_gone: set[str] = set()
        self.started: list[Removal] = []
        self._noted: set[Finding] = set()
        self.containers: dict[str, ContainerRecord] = {c.id: c for c in self.records.containers.values() if c.loaded}
        self.hidden = [c for c in self.records.containers.values() if not c.loaded]
        self.volumes: dict[str, VolumeRecord] = dict(self.records.volumes)
        self._by_volume: dict[str, set[str]] = {}
        self._by_image: dict[str, set[str]] = {}
        for container in self.containers.values():
            self._by_image.setdefault(container.image, set()).add(container.id)
            for mount in container.mounts:
                if mount.type == "volume":
                    self._by_volume.setdefault(mount.name, set()).add(container.id)

    def start(self) -> None:
        """What a start of the daemon does by itself: containers of `--rm` that ended go (2.6).

        It means to take their anonymous volumes along, but has not looked them up yet when it removes the containers:
        20.10.24 was seen to leave them (moby `daemon/daemon.go restore`, `daemon/mounts.go removeMountPoints`).
        """
        self.images.start()
        if "containers" not in self.store.doubts and "images" not in self.store.doubts:
            for container in [c for c in self.containers.values() if c.auto_remove and not c.running]:
                self.delete_container(container, "a start removes it")
        self.started, self.outcome = self.outcome.removals, Outcome()

    # Recording -------------------------------------------------------------------------------------------------------

    def begin(self, rules: Rules) -> Outcome:
        """A fresh outcome for the next command."""
        self.outcome, self.rules = Outcome(), rules
        self._noted = set()
        self.images.begin(self.outcome, rules)
        return self.outcome

    def record(self, kind: str, ident: str, paths: tuple[str, ...], why: str, node: int | None = None) -> None:
        """Adds a removal to the present command's outcome."""
        number = node if node is not None else self.store.graph.find(kind, ident, self.store.number)
        if number is not None:
            # What the store has as text already isn't kept twice: a prune may take 100,000 records.
            known = owned_paths(self.store).get(number)
            # They are sorted, and no path stands there twice.
            if known is not None and known == sorted(paths):
                paths = tuple(known)
            shown = self.store.graph.nodes[number].id
            if shown == ident:
                ident = shown
        self.outcome.removals.append(Removal(number, kind, ident, paths, why))

    def note(self, code: str, text: str, node: str | None = None, path: str = "") -> None:
        """Adds a finding to the present command's outcome."""
        finding = Finding(code, CODES[code].severity, self.store.root, path, node, text)
        if finding not in self._noted:
            self._noted.add(finding)
            self.outcome.findings.append(finding)

    def check(self, *areas: str) -> None:
        """Raises Doubtful where a part of the store that a command touches is unknown."""
        for area in areas:
            if area in self.store.doubts:
                raise Doubtful(self.store.doubts[area])

    def cache_state(self) -> CacheState | None:
        """The build records while commands run on them; None where there are none."""
        # Rules of BuildKit are loaded by the commands that need them.
        from ocistore.plan.buildkit.versions import buildkit_in_docker

        from .builder import open_cache

        if self._cache is None:
            self._cache = open_cache(self)
        if self._cache is not None:
            self._cache.follow(buildkit_in_docker(self.rules.version))
        return self._cache

    # Look-up ---------------------------------------------------------------------------------------------------------

    def find_container(self, text: str) -> ContainerRecord:
        """A container by id, name, or unique prefix of its id (moby `daemon/container.go GetContainer`, any version).

        Raises:
            RuleFails: there is none, or several.
        """
        if text in self.containers:
            return self.containers[text]
        name = text.removeprefix("/")
        for container in self.containers.values():
            if name and container.name == name:
                return container
        found = [c for c in self.containers.values() if text and c.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        raise RuleFails(f"multiple containers begin with {text}" if found else f"no such container: {text}")

    def containers_of(self, image: str) -> list[ContainerRecord]:
        """The containers that were made from an image."""
        return [self.containers[ident] for ident in sorted(self._by_image.get(image, ()))]

    def users_of(self, volume: str) -> list[ContainerRecord]:
        """The containers that the daemon knows to mount a volume, in whatever state."""
        return [self.containers[ident] for ident in sorted(self._by_volume.get(volume, ()))]

    # Primitives ------------------------------------------------------------------------------------------------------

    def delete_container(self, container: ContainerRecord, why: str) -> None:
        """Takes a container: its record and logs, its file system, its mounts; its volumes stay (5.4)."""
        del self.containers[container.id]
        self._by_image[container.image].discard(container.id)
        for mount in container.mounts:
            if mount.type == "volume":
                self._by_volume[mount.name].discard(container.id)
        paths = (f"{CONTAINERS}/{container.id}", *self.images.container_paths(container))
        self.record("container", container.id, paths, why)
        self.images.release_container(container)

    def delete_volume(self, volume: VolumeRecord, why: str) -> None:
        """Takes a volume's directory (moby `daemon/volume/local Remove`, 5.5).

        Raises:
            RuleFails: its data directory is a link that leads out of volumes/; the volume stays.
        """
        if volume.leads_out:
            raise RuleFails(f"volume {volume.name}: its data directory lies outside volumes/")
        del self.volumes[volume.name]
        hidden = next((c for c in self.hidden for m in c.mounts if m.type == "volume" and m.name == volume.name), None)
        if hidden is not None:
            text = (
                f"volume {volume.name} is used by container {hidden.id[:12]} of {hidden.driver}, which the daemon"
                " doesn't see while it uses another image store"
            )
            self.note("native-deletes-referenced", text, node=f"volume:{volume.name}")
        paths: tuple[str, ...] = (f"{VOLUMES}/{volume.name}",)
        if volume.data and not volume.data.startswith(f"{VOLUMES}/{volume.name}/"):
            text = f"the data of volume {volume.name} is a link to {volume.data}, which the daemon removes with it"
            self.note("native-deletes-referenced", text, node=f"volume:{volume.name}")
            paths = (*paths, volume.data)
        self.record("volume", volume.name, paths, why)
