"""`docker rmi` with graph drivers (docker-buildkit-containerd 5.2; the same rules from 20.10 on)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.stores.shared.docker_names import parse_reference

from .failures import RuleFails
from .resolve import is_id_prefix, key_of, resolve

if TYPE_CHECKING:
    from ocistore.stores.docker.records import ContainerRecord, ImageRecord

    from .graph_images import GraphImages

_ASKED = "asked for"


class Conflict(NamedTuple):
    """Why an image can't go; `used`: because of a container."""

    sentence: str
    used: bool = False


class ImageRemover:
    """Removes images by name or id (moby `daemon/images/image_delete.go ImageDelete`)."""

    def __init__(self, images: GraphImages, *, force: bool, prune: bool) -> None:
        self.images, self.force, self.prune = images, force, prune

    def remove(self, text: str, why: str = _ASKED) -> None:
        """Removes what a text means.

        Raises:
            RuleFails: there is no such image, or a conflict; nothing was changed then.
        """
        image = resolve(text, self.images.images, self.images.names)
        if is_id_prefix(text, image.id):
            self._by_id(image)
            self._help(image, force=self.force, quiet=False, why=why)
        elif self._by_name(image, text):
            self._help(image, force=self.force, quiet=True, why=why)

    def _by_name(self, image: ImageRecord, text: str) -> bool:
        """Takes the name, and with the last tag of a repository its digests; whether no reference is left."""
        images = self.images
        names = images.names_of(image.id)
        if not self.force and is_single_reference(names):
            user = self._user(image)
            if user is not None:
                raise RuleFails(f"unable to remove {text}: container {user.id[:12]} is using it")
        key = key_of(text)
        images.untag(key)
        names = images.names_of(image.id)
        if "@" not in key:
            repository = repository_of(key)
            same = [name for name in names if repository_of(name) == repository]
            if all("@" in name for name in same):
                for name in same:
                    images.untag(name)
        return not images.names_of(image.id)

    def _user(self, image: ImageRecord) -> ContainerRecord | None:
        """A container that was made from the image, or (28.0) that mounts it."""
        state = self.images.state
        for container in state.containers_of(image.id):
            return container
        if state.rules.image_mounts:
            for container in state.containers.values():
                if any(mount.type == "image" and mount.image == image.id for mount in container.mounts):
                    return container
        return None

    def _by_id(self, image: ImageRecord) -> None:
        """By an id all references go, if they are of one repository with one tag at most."""
        names = self.images.names_of(image.id)
        if not is_single_reference(names):
            return
        conflict = self._conflict(image, force=self.force, with_names=False)
        if conflict is not None:
            raise RuleFails(conflict.sentence)
        for name in names:
            self.images.untag(name)

    def _conflict(self, image: ImageRecord, *, force: bool, with_names: bool = True) -> Conflict | None:
        """The first conflict: children, a running container; unless forced: names, a stopped container."""
        images = self.images
        if images.children.get(image.id):
            return Conflict(f"image {image.id[:12]} has dependent child images")
        containers = images.state.containers_of(image.id)
        running = next((container for container in containers if container.running), None)
        if running is not None:
            return Conflict(f"image {image.id[:12]} is being used by running container {running.id[:12]}", used=True)
        if force:
            return None
        if with_names and images.names_of(image.id):
            return Conflict(f"image {image.id[:12]} is referenced in multiple repositories")
        if containers:
            text = f"image {image.id[:12]} is being used by stopped container {containers[0].id[:12]}"
            return Conflict(text, used=True)
        return None

    def _help(self, image: ImageRecord, *, force: bool, quiet: bool, why: str) -> None:
        """Removes the image unless a conflict forbids it, then its nameless parents (`imageDeleteHelper`)."""
        images = self.images
        while True:
            conflict = self._conflict(image, force=force)
            if conflict is not None:
                if quiet and (conflict.used or not images.is_dangling(image.id)):
                    return
                raise RuleFails(conflict.sentence)
            parent = images.parents.get(image.id, "")
            for name in images.names_of(image.id):
                images.untag(name)
            images.delete_image(image, why)
            if not self.prune or not parent:
                return
            image, force, quiet = images.images[parent], False, True
            why = "nothing is made from it any more, and it has no name"


def is_single_reference(names: list[str]) -> bool:
    """Whether references are those of one repository with one tag at most (`isSingleReference`)."""
    if len(names) <= 1:
        return len(names) == 1
    tags = [name for name in names if "@" not in name]
    if len(tags) > 1:
        return False
    digests = {repository_of(name) for name in names if "@" in name}
    return digests == {repository_of((tags or names)[0])}


def repository_of(name: str) -> str:
    """The full name of a reference's repository."""
    return parse_reference(name, default_tag=False).repository
