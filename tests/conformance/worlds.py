"""What the stores of the conformance tests hold: each function builds one with the programs that are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.native import NativeStore

OLD = "1600000000"
"""2020-09-13T12:26:40Z."""
NEW = "1700000000"
"""2023-11-14T22:13:20Z."""
BASE = """
    FROM scratch
    COPY busybox /bin/sh
"""


def build_base(store: NativeStore, name: str = "localhost/base:1") -> str:
    """An image of one layer with a shell in it; its id."""
    return store.build(BASE, "--layers", "--timestamp", OLD, "-t", name)


def build_images(store: NativeStore) -> None:
    """Images in all relations: step by step and at once, in stages, replaced, without layers, in lists, in use.

    base:1 -+- web:1 = web:stable = registry.example.com:5000/team/web:1 (steps; replaced, so an older one is dangling)
            +- steps:1 (three more instructions at once)    +- squashed:1    +- commit:1 (of a working container)
            +- app:1 (two stages, steps), once:1 (two stages at once)

    containers: podman's on app; buildah's on web, base (counted as mounted), the dangling web, and on nothing
    """
    words = store.words
    words["base"] = build_base(store)
    web = "FROM localhost/base:1\nRUN echo {0} > /web\nRUN echo more > /more\nLABEL made={0} env=ci"
    words["old_web"] = store.build(web.format("old"), "--layers", "--timestamp", OLD, "-t", "localhost/web:1")
    words["old_web_container"] = "old-web-work"
    store.buildah("from", "--name", "old-web-work", words["old_web"])
    words["web"] = store.build(web.format("new"), "--layers", "--timestamp", NEW, "-t", "localhost/web:1")
    store.podman("tag", "localhost/web:1", "localhost/web:stable", "registry.example.com:5000/team/web:1")
    steps = "FROM localhost/base:1\nENV a=b\nRUN echo a > /steps\nLABEL kind=steps"
    words["steps"] = store.build(steps, "--layers=false", "--timestamp", NEW, "-t", "localhost/steps:1")
    words["free"] = store.build(steps.replace("steps", "free"), "--layers", "--label", "free=yes")
    store.build(steps.replace("/steps", "/squash"), "--squash", "-t", "localhost/squashed:1")
    stages = (
        "FROM localhost/base:1 AS one\nRUN echo built > /built\nRUN echo rest > /rest\n"
        "FROM localhost/base:1\nCOPY --from=one /built /app\nENTRYPOINT /app"
    )
    words["app"] = store.build(stages, "--layers", "--timestamp", NEW, "-t", "localhost/app:1")
    words["once"] = store.build(stages.replace("/app", "/once"), "--layers=false", "-t", "localhost/once:1")
    store.buildah("from", "--name", "web-work", "localhost/web:1")
    store.buildah("from", "--name", "base-work", "localhost/base:1")
    store.buildah("from", "--name", "scratch-work", "scratch")
    store.buildah("run", "--isolation", "chroot", "web-work", "/bin/sh", "-c", "echo x > /committed")
    words["commit"] = store.buildah("commit", "-q", "web-work", "localhost/commit:1").splitlines()[-1]
    words["app_container"] = store.podman("create", "--name", "app", "localhost/app:1", "/bin/sh")
    # Left mounted: the runroot goes on counting it.
    store.buildah("mount", "base-work")


def build_lists(store: NativeStore) -> None:
    """Manifest lists, their members with and without names, of this and another machine, there and gone.

    one:1 (web, app), two:1 (a member without a name), three:1 (a member's name that went), four:1 (of another machine),
    five:1 (no member), and an untagged list; web:1 was replaced, so that a step and an older image are dangling
    """
    words = store.words
    build_base(store)
    web = "FROM localhost/base:1\nRUN echo {0} > /web\nLABEL made={0}"
    words["old_web"] = store.build(web.format("old"), "--layers", "-t", "localhost/web:1")
    words["web"] = store.build(web.format("new"), "--layers", "-t", "localhost/web:1")
    words["app"] = store.build("FROM localhost/base:1\nRUN echo a > /app", "--layers", "-t", "localhost/app:1")
    words["one"] = store.buildah("manifest", "create", "localhost/one:1", "localhost/web:1", "localhost/app:1")
    words["member"] = store.build(BASE + "LABEL member=yes", "--layers=false")
    words["two"] = store.buildah("manifest", "create", "localhost/two:1", words["member"])
    words["gone"] = store.build(BASE + "LABEL member=3", "--layers=false", "-t", "localhost/gone:1")
    words["three"] = store.buildah("manifest", "create", "localhost/three:1", "localhost/gone:1")
    store.podman("untag", "localhost/gone:1")
    other = BASE + "LABEL other=yes"
    words["other"] = store.build(other, "--layers=false", "--platform", "linux/s390x", "-t", "localhost/other:1")
    words["four"] = store.buildah("manifest", "create", "localhost/four:1", "localhost/other:1")
    words["five"] = store.buildah("manifest", "create", "localhost/five:1")
    words["six"] = store.buildah("manifest", "create", "localhost/six:1", "localhost/app:1")
    store.podman("tag", "localhost/five:1", "localhost/five:2")
    store.podman("create", "--name", "on-app", "localhost/app:1", "/bin/sh")


def build_empty(store: NativeStore) -> None:
    """Images without layers that build on each other, one without a name, and a manifest list, which is one, too."""
    words = store.words
    build_base(store)
    words["empty"] = store.build("FROM scratch\nLABEL a=b", "--layers", "-t", "localhost/empty:1")
    words["empty2"] = store.build("FROM localhost/empty:1\nLABEL c=d", "--layers", "-t", "docker.io/library/empty:2")
    words["empty3"] = store.build("FROM localhost/empty:1\nLABEL e=f\nLABEL g=h", "--layers")
    built = store.podman("images", "-a", "-q", "--no-trunc", "--filter", "label=e").replace("sha256:", "").split()
    [words["step"]] = set(built) - {words["empty3"]}
    words["list"] = store.buildah("manifest", "create", "localhost/list:1", "localhost/base:1")
    words["empty4"] = store.build("FROM localhost/empty:1\nLABEL i=j", "--layers", "-t", "localhost/empty:4")


def build_containers(store: NativeStore) -> None:
    """Containers that ended or never ran, with volumes of all kinds, in pods and needing each other, and buildah's.

    done (exit 0), failed (exit 3), made (never ran), labelled, needed <- needing, sharing (volumes of made),
    pods: plain (no infra; one never ran), paused (infra, two made), ended (infra, all ended), mixed (one of two ended)
    volumes: named (in use), unused, ci (label env=ci), old; anonymous: of made, done, of one that was removed
    """
    words = store.words
    build_base(store)
    store.build("FROM localhost/base:1\nVOLUME /declared\nLABEL kind=web", "--layers", "-t", "localhost/web:1")
    pause = 'FROM scratch\nCOPY busybox /pause\nENTRYPOINT ["/pause", "true"]'
    store.build(pause, "--layers", "-t", "localhost/pause:1")
    for name, given in (("named", ()), ("unused", ()), ("ci", ("env=ci", "team=a")), ("old", ("env=old",))):
        store.podman("volume", "create", *(word for label in given for word in ("--label", label)), name)
    (store.root / "volumes" / "unused" / "_data" / "file").write_bytes(b"x" * 9000)
    (store.root / "volumes" / "ci" / "_data" / "file").hardlink_to(store.root / "volumes" / "unused" / "_data" / "file")
    image = "localhost/web:1"
    words["made"] = store.podman("create", "--name", "made", "-v", "named:/data", image, "/bin/sh")
    words["sharing"] = store.podman("create", "--name", "sharing", "--volumes-from", "made", image, "/bin/sh")
    labels = ("--label", "env=ci", "--label", "team=a")
    store.podman("create", "--name", "labelled", *labels, "localhost/base:1", "/bin/sh")
    words["needed"] = store.podman("create", "--name", "needed", "--network", "none", "localhost/base:1", "/bin/sh")
    store.podman("create", "--name", "needing", "--network", "container:needed", "localhost/base:1", "/bin/sh")
    store.podman("create", "--name", "removed", "-v", "/anonymous", "localhost/base:1", "/bin/sh")
    store.podman("rm", "removed")
    script = ("/bin/sh", "-c")
    plain = ("--network", "none")
    words["done"] = store.run_container("--name", "done", *plain, "-v", "/extra", image, *script, "echo x > /written")
    words["done_start"], words["done_middle"] = words["done"][:12], words["done"][12:30]
    words["web"] = store.podman("inspect", "--format", "{{.Image}}", "done")
    words["web_start"] = words["web"][:12]
    words["failed"] = store.run_container("--name", "failed", *plain, "localhost/base:1", *script, "exit 3")
    store.podman("commit", "-q", "done", "localhost/committed:1")
    _build_pods(store)
    store.buildah("from", "--name", "work", image)
    store.buildah("from", "--name", "mounted", "localhost/base:1")
    store.buildah("mount", "mounted")
    store.podman("tag", "localhost/pause:1", "localhost/pause:2")


def _build_pods(store: NativeStore) -> None:
    words = store.words
    script = ("/bin/sh", "-c", "true")
    infra = ("--network", "none", "--infra-image", "localhost/pause:1", "--infra-command", "/pause")
    words["plain"] = store.podman("pod", "create", "--infra=false", "--name", "plain")
    store.podman("create", "--pod", "plain", "--name", "plain-1", "-v", "/a", "localhost/base:1", "/bin/sh")
    words["paused"] = store.podman("pod", "create", *infra, "--name", "paused")
    words["paused_infra"] = store.podman("pod", "inspect", "--format", "{{.InfraContainerID}}", "paused")
    store.podman("create", "--pod", "paused", "--name", "paused-1", "-v", "/a", "localhost/base:1", "/bin/sh")
    store.podman("create", "--pod", "paused", "--name", "paused-2", "-v", "named:/b", "localhost/base:1", "/bin/sh")
    words["ended"] = store.podman("pod", "create", "--infra=false", "--name", "ended")
    plain = ("--network", "none")
    store.run_container("--pod", "ended", "--name", "ended-1", *plain, "-v", "/a", "localhost/base:1", *script)
    words["mixed"] = store.podman("pod", "create", "--infra=false", "--name", "mixed")
    store.run_container("--pod", "mixed", "--name", "mixed-1", *plain, "localhost/base:1", *script)
    store.podman("create", "--pod", "mixed", "--name", "mixed-2", "localhost/base:1", "/bin/sh")
    words["none"] = store.podman("pod", "create", "--infra=false", "--name", "none")


def build_readonly(store: NativeStore) -> None:
    """A store above a read-only one: an image of it with a further name here, one built on it, a container on it."""
    words = store.words
    words["shared"] = store.podman("images", "-q", "--no-trunc", "localhost/shared:1").removeprefix("sha256:")
    store.podman("tag", "localhost/shared:1", "localhost/mine:1")
    words["above"] = store.build("FROM localhost/shared:2\nRUN echo x > /above", "--layers", "-t", "localhost/above:1")
    store.podman("create", "--name", "on-shared", "localhost/shared:2", "/bin/sh")


def build_shared(store: NativeStore) -> None:
    """What another store looks into: two images, the second with a layer more, and one without a name."""
    build_base(store, "localhost/shared:1")
    store.build("FROM localhost/shared:1\nRUN echo 2 > /two", "--layers", "-t", "localhost/shared:2")
    store.build("FROM localhost/shared:1\nRUN echo 3 > /three\nLABEL a=b", "--layers")
