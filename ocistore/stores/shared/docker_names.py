"""Names of images as Docker writes them (distribution/reference; docker-buildkit-containerd 2.2, 2.10)."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_DOMAIN = "docker.io"
_OFFICIAL = "library/"
DANGLING = "moby-dangling@"
"""How the containerd image store names an image without a name."""


class Reference(NamedTuple):
    """A normalised reference: `docker.io/library/web`, tag and digest empty where there is none."""

    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The whole, as an image record of containerd is named."""
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str, default_tag: bool = True) -> Reference:
    """Normalises a reference as a person types it; `latest` where it has neither tag nor digest and `default_tag`."""
    rest, _, digest = text.partition("@")
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{head}{slash}{last}"
    domain, slash, path = name.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain.lower() != domain):
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    if not tag and not digest and default_tag:
        tag = "latest"
    return Reference(f"{domain}/{path}", tag, digest)


def familiar(name: str) -> str:
    """A normalised name without what Docker leaves out: `docker.io/library/web:1` is `web:1`."""
    if name.startswith(f"{DEFAULT_DOMAIN}/"):
        return name.removeprefix(f"{DEFAULT_DOMAIN}/").removeprefix(_OFFICIAL)
    return name


def is_dangling(name: str) -> bool:
    """Whether an image record of containerd stands for an image without a name."""
    return name.startswith(DANGLING)
