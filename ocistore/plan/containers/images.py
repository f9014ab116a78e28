"""Removal of images as libimage does it: the core of rmi and prune (containers-storage 3.1 to 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.relations import ListingFails

from .filters import ImageFilters
from .lookup import look_up_image, look_up_list
from .makers import is_external
from .state import RuleFails, raise_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocistore.stores.containers_storage.records import ImageKey, ImageRecord

    from .state import State
    from .versions import Rules


@dataclass(slots=True)
class RemoveOptions:
    """How images are removed.

    Attributes:
        force: containers of an image go with it; `on_force` is called first (podman's own containers).
        external: containers that podman's database doesn't know go with it.
        no_prune: parents that are left dangling stay.
        ignore: an unknown name is no error.
    """

    force: bool = False
    external: bool = False
    no_prune: bool = False
    ignore: bool = False
    on_force: Callable[[ImageRecord], None] | None = None


class ImageRemover:
    """Removes images one after the other; failures are collected, and the others go on."""

    def __init__(self, state: State, rules: Rules, options: RemoveOptions) -> None:
        self._state, self._rules, self._options = state, rules, options
        self._removed: set[ImageKey] = set()
        self.failures: list[RuleFails] = []
        self.reported = 0

    def remove_names(self, names: list[str]) -> None:
        """The images that names mean, grouped by id in the order of first sight (RemoveImages).

        A read-only record that is seen first stands for one of the same id above it.
        """
        groups: dict[str, tuple[ImageRecord, list[str]]] = {}
        for name in names:
            found = look_up_image(self._state, self._rules, name, whole_list=True)
            if found is None:
                if not self._options.ignore:
                    self.failures.append(RuleFails(f"{name}: image not known"))
                continue
            image, reference = found
            groups.setdefault(image.id, (image, []))[1].append(reference)
        for image, references in groups.values():
            for reference in references:
                self.try_remove(image, reference)

    def remove_listed(self, images: list[ImageRecord]) -> None:
        """Images of a listing, in its order."""
        for image in images:
            self.try_remove(image, "")

    def try_remove(self, image: ImageRecord, reference: str) -> None:
        """Removes one and collects its failure."""
        try:
            self.remove(image, reference, "asked for")
        except RuleFails as err:
            self.failures.append(err)

    def remove(self, image: ImageRecord, reference: str, why: str) -> None:
        """One image, then its parents as far as they are left dangling (3.1).

        Raises:
            RuleFails: it may not go, or a parent may not; what went before stays gone.
        """
        state, options = self._state, self._options
        if image.readonly:
            raise RuleFails(f"image {image.id[:12]} is in a read-only store")
        if image.key in self._removed or not state.is_there(image):
            return
        if self._only_untags(image, reference):
            return
        self._remove_containers(image)
        parent = self._parent(image)
        state.delete_image(image, why)
        self._removed.add(image.key)
        self.reported += 1
        if not options.no_prune and parent is not None and self._is_dangling(parent):
            self.remove(parent, "", f"is left dangling by image {image.id[:12]}")

    def _only_untags(self, image: ImageRecord, reference: str) -> bool:
        """Takes the name off an image that has others; whether that was all (3.1 step 3)."""
        count = len(image.names)
        if not reference or count == 1:
            return False
        by_id = image.id.startswith(reference)
        by_digest = reference.startswith("sha256:")
        if (by_id or by_digest) and count > 1 and not self._options.force:
            raise RuleFails(f"image {image.id[:12]} has more than one name; it needs force")
        if by_id or by_digest:
            return False
        if reference not in image.names:
            raise RuleFails(f"{reference}: not a name of image {image.id[:12]}")
        self._state.untag(image, reference)
        self.reported += 1
        return bool(image.names)

    def _remove_containers(self, image: ImageRecord) -> None:
        state, options = self._state, self._options
        if not (options.force or options.external):
            return
        if options.force and options.on_force is not None:
            options.on_force(image)
        users = state.containers_of(image)
        if not options.force and not all(is_external(state, user.id) for user in users):
            raise RuleFails(f"image {image.id[:12]} is used by a container of podman", in_use=True)
        for user in users:
            state.delete_container(user.id, f"stands on image {image.id[:12]}")

    def _parent(self, image: ImageRecord) -> ImageRecord | None:
        try:
            return self._state.tree.parent(image)
        except ListingFails:
            return None

    def _is_dangling(self, image: ImageRecord) -> bool:
        if not self._state.is_there(image):
            return False
        try:
            return self._state.tree.is_dangling(image, spare_listed=self._rules.podman_from(5, 5))
        except ListingFails:
            return False


def remove_lists(state: State, rules: Rules, names: list[str]) -> None:
    """`podman manifest rm`, `buildah manifest rm`: lists only; their members stay (2.10).

    Raises:
        RuleFails: the first failure, after all were tried.
    """
    remover = ImageRemover(state, rules, RemoveOptions())
    for name in names:
        found = look_up_list(state, rules, name)
        if found is None:
            remover.failures.append(RuleFails(f"{name}: manifest list not known"))
        else:
            remover.try_remove(*found)
    raise_first(remover.failures)


def list_images(state: State, rules: Rules, filters: Mapping[str, list[str]]) -> list[ImageRecord]:
    """The images that fit filters, in the order of records, judged on one tree.

    Raises:
        RuleFails: a filter is wrong, or one unreadable image makes the listing fail whole (2.10).
    """
    compiled = ImageFilters(state, rules, filters)
    try:
        return [image for image in state.all_images() if compiled.fits(image)]
    except ListingFails as err:
        raise RuleFails(f"image {err.image.id[:12]} can't be read, and every listing of relations fails") from None


def prune_images(
    state: State, rules: Rules, user: Mapping[str, list[str]], *, everything: bool, external: bool
) -> None:
    """`podman image prune`: rounds until nothing more is reported (3.3).

    Raises:
        RuleFails: a filter is wrong, or an image can't go; what went before stays gone.
    """
    filters = {key: list(values) for key, values in user.items()}
    filters.setdefault("readonly", []).append("false")
    if not everything and not (rules.podman_from(4, 8) and "dangling" in user):
        filters.setdefault("dangling", []).append("true")
    filters.setdefault("containers", []).append("external" if external else "false")
    while True:
        remover = ImageRemover(state, rules, RemoveOptions(external=external))
        remover.remove_listed(list_images(state, rules, filters))
        if remover.failures:
            raise remover.failures[0]
        if not remover.reported:
            return
