"""Manifest lists, and images without layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.worlds import build_empty, build_lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.native import NativeStore

pytestmark = pytest.mark.native

LISTS = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -a -f --external",
    "podman image prune -a -f --filter label=made",
    "podman image prune -a -f --filter label=made=old",
    "podman image prune -f --filter label=made=old",
    "podman image prune -a -f --filter label!=made",
    "podman image prune -a -f --filter manifest=true",
    "podman image prune -a -f --filter reference=localhost/one",
    "podman image prune -a -f --filter reference=localhost/o*",
    "podman image prune -a -f --filter until=1h",
    "podman image prune -a -f --filter before=localhost/one:1",
    "podman rmi one:1",
    "podman rmi -f one:1",
    "podman rmi {one}",
    "podman rmi -f {one}",
    "podman rmi two:1",
    "podman rmi -f two:1",
    "podman rmi {two}",
    "podman rmi three:1",
    "podman rmi four:1",
    "podman rmi five:1",
    "podman rmi five:1 five:2",
    "podman rmi {five}",
    "podman rmi -f {five}",
    "podman rmi six:1",
    "podman rmi web:1",
    "podman rmi web:1 && podman rmi one:1",
    "podman rmi app:1",
    "podman rmi -a",
    "podman rmi -a -f",
    "podman rmi {member}",
    "podman rmi {gone}",
    "podman rmi {other}",
    "podman manifest rm one:1",
    "podman manifest rm localhost/two:1 four:1",
    "podman manifest rm web:1",
    "podman manifest rm nothere one:1",
    "podman manifest rm one:1 nothere",
    "podman manifest rm five:1",
    "podman manifest rm five:1 five:2",
    "podman manifest rm {five}",
    "podman manifest rm {six} && podman image prune -f",
    "podman untag one:1",
    "podman untag one:1 localhost/one:1",
    "podman untag two:1 && podman image prune -f",
    "podman untag five:1",
    "podman untag four:1",
    "podman untag {one}",
    "podman untag web:1 && podman image prune -f",
    "podman system prune -f",
    "podman system prune -a -f",
    "buildah rmi one:1",
    "buildah rmi {one}",
    "buildah rmi -f one:1",
    "buildah rmi two:1",
    "buildah rmi four:1",
    "buildah rmi five:1",
    "buildah rmi -f five:1",
    "buildah rmi -f {five}",
    "buildah rmi --prune",
    "buildah rmi -a",
    "buildah rmi -a -f",
    "buildah manifest rm one:1",
    "buildah manifest rm one:1 two:1 six:1",
    "buildah manifest rm web:1",
    "buildah manifest rm five:1",
    "buildah manifest rm nothere one:1",
)

EMPTY = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -a -f --filter label=a",
    "podman image prune -a -f --filter label=c",
    "podman image prune -f --filter label=e",
    "podman image prune -a -f --filter intermediate=true",
    "podman rmi empty:1",
    "podman rmi empty:2",
    "podman rmi empty:4",
    "podman rmi {empty3}",
    "podman rmi list:1",
    "podman rmi {list}",
    "podman rmi empty:2 empty:4",
    "podman rmi -a",
    "podman rmi -a -f",
    "podman rmi {list} && podman image prune -f",
    "podman rmi {list} && podman rmi {empty3}",
    "podman rmi {list} && podman rmi empty:2",
    "podman rmi {list} && podman untag empty:1 && podman rmi empty:2",
    "podman untag empty:1 && podman rmi empty:2",
    "podman untag empty:1 && podman rmi empty:4",
    "podman untag empty:1 && podman rmi {empty3}",
    "podman untag empty:1 && podman rmi empty:2 empty:4 {empty3}",
    "podman untag empty:2 && podman image prune -f",
    "podman untag base:1 && podman image prune -f",
    "podman manifest rm list:1",
    "podman manifest rm list:1 && podman image prune -f",
    "podman system prune -f",
    "podman system prune -a -f",
    "podman untag empty:2 && podman system prune -f",
    "buildah rmi empty:2",
    "buildah rmi -p",
    "buildah rmi -a",
    "buildah rmi -f {empty3}",
    "buildah manifest rm list:1 && buildah rmi -p",
    "podman rmi --no-prune {empty3} {step} && podman untag empty:1 && podman image prune -f",
    "podman rmi --no-prune {empty3} {step} && podman untag empty:4 && podman image prune -f",
    "podman rmi {step}",
    "podman image prune -a -f --filter dangling=false",
    "podman image prune -a -f --filter before={empty3}",
)


@pytest.fixture(scope="module")
def lists(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_lists`."""
    return build(build_lists)


@pytest.fixture(scope="module")
def empty(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_empty`."""
    return build(build_empty)


@pytest.mark.parametrize("command", LISTS)
def test_lists_and_their_members_go_as_planned(lists: NativeStore, versions: dict[str, str], command: str) -> None:
    """Members are found by platform, with and without names, there and gone."""
    lists.compare(command, versions[command.split()[0]]).check()


@pytest.mark.parametrize("command", EMPTY)
def test_images_without_layers_go_as_planned(empty: NativeStore, versions: dict[str, str], command: str) -> None:
    """A manifest list beside them is in the way of an old podman."""
    empty.compare(command, versions[command.split()[0]]).check()
