"""Makes a large containers-storage store (overlay) that is synthetic and looks like a real one.

usage: make_store.py DIRECTORY --inodes 400000 [--seed 1]

Layers in chains of five to twelve, an image on top of each chain and on some of the layers between, manifests and
configs as big data, `link`, `lower` and `l/` as the overlay driver writes them, trees of mixed depth and file sizes,
hard links inside a layer and, as deduplicating tools make them, between layers.  The same arguments give the same
names, sizes and links.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import os
import random
import sys
import time
from typing import NamedTuple

WORDS = ("usr", "lib", "share", "python3", "site-packages", "doc", "locale", "include", "node_modules", "src", "bin")
CREATED = "2026-01-02T03:04:05Z"


class Layer(NamedTuple):
    """A layer to be made: `chain` holds its ancestors' numbers, nearest first."""

    number: int
    chain: tuple[int, ...]
    inodes: int

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return layer_id(self.number)

    @property
    def link(self) -> str:
        """26 characters of the driver's short name."""
        return layer_link(self.number)


def layer_id(number: int) -> str:
    """The id of the layer with that number."""
    return hashlib.sha256(b"layer %d" % number).hexdigest()


def layer_link(number: int) -> str:
    """The short name of the layer with that number."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return "".join(digits[b % 32] for b in hashlib.sha256(b"link %d" % number).digest()[:26])


def plan_layers(inodes: int, seed: int) -> list[Layer]:
    """Chains of layers whose trees have `inodes` inodes in all, sizes spread over two orders of magnitude."""
    dice = random.Random(seed)
    count = max(200, min(1000, inodes // 2000))
    chains: list[tuple[int, ...]] = []
    chain: tuple[int, ...] = ()
    length = 0
    for number in range(count):
        if len(chain) >= length:
            # A new image: on a base that others have too, or on nothing.
            base = dice.randrange(number) if number and dice.random() < 0.7 else None
            chain = (base, *chains[base]) if base is not None else ()
            length = len(chain) + dice.randrange(2, 9)
        chains.append(chain)
        chain = (number, *chain)
    weights = [dice.lognormvariate(0, 1.2) for _ in range(count)]
    total = sum(weights)
    return [Layer(n, chains[n], int(inodes * w / total)) for n, w in enumerate(weights)]


def make_tree(top: str, inodes: int, seed: int, shared: list[str]) -> None:
    """Fills the directory `top` with about `inodes` inodes; files of `shared` are linked in too."""
    dice = random.Random(seed)
    block = bytes(range(256)) * 64
    directories = [top]
    depths = [0]
    made = 1
    links = 0
    while made < inodes:
        # Half of the new directories hang below the last one: some deep paths, some wide levels.
        at = len(directories) - 1 if dice.random() < 0.5 else dice.randrange(len(directories))
        if depths[at] > 24:
            at = 0
        path = f"{directories[at]}/{dice.choice(WORDS)}-{len(directories):x}"
        os.mkdir(path)
        directories.append(path)
        depths.append(depths[at] + 1)
        made += 1
        files = min(inodes - made, int(dice.lognormvariate(1.8, 0.9)))
        name = ""
        for n in range(files):
            name = f"{path}/file{n}.{'py' if n % 3 else 'so'}"
            size = min(len(block), int(dice.lognormvariate(7.2, 1.1)))
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(handle, block[:size])
            os.close(handle)
        made += files
        if name and dice.random() < 0.1:
            os.link(name, f"{path}/again")
        if shared and dice.random() < 0.05:
            os.link(shared[links % len(shared)], f"{path}/shared")
            links += 1
        if dice.random() < 0.1:
            os.symlink("../file0.so", f"{path}/link.so")
            made += 1


def make_layers(root: str, layers: list[Layer], seed: int) -> None:
    """The driver's directories of these layers."""
    driver = f"{root}/overlay"
    pool: list[str] = []
    for layer in layers:
        home = f"{driver}/{layer.id}"
        for path in (home, f"{home}/diff", f"{home}/work"):
            os.mkdir(path, 0o700)
        write(f"{home}/link", layer.link)
        os.symlink(f"../{layer.id}/diff", f"{driver}/l/{layer.link}")
        if layer.chain:
            write(f"{home}/lower", ":".join(f"l/{layer_link(n)}" for n in layer.chain))
        else:
            os.mkdir(f"{home}/empty")
        make_tree(f"{home}/diff", layer.inodes, seed * 1_000_003 + layer.number, pool)
        if len(pool) < 500:
            for directory, _, files in os.walk(f"{home}/diff"):
                pool += [f"{directory}/{name}" for name in files if name == "file1.py"]
                if len(pool) >= 500:
                    break


def write(path: str, text: str | bytes) -> None:
    """A small file."""
    with open(path, "wb") as out:
        out.write(text.encode() if isinstance(text, str) else text)


def digest(data: bytes) -> str:
    """`sha256:` and the hexadecimal digest."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_records(root: str, layers: list[Layer]) -> None:
    """layers.json with tar-split files, images.json with big data, empty container records."""
    empty = gzip.compress(b"", mtime=0)
    records = []
    for layer in layers:
        diff = digest(layer.id.encode())
        records.append(
            {
                "id": layer.id,
                **({"parent": layer_id(layer.chain[0])} if layer.chain else {}),
                "created": CREATED,
                "compressed-diff-digest": digest(diff.encode()),
                "compressed-size": layer.inodes * 900,
                "diff-digest": diff,
                "diff-size": layer.inodes * 2048,
                "compression": 2,
                "uidset": [0],
                "gidset": [0],
            }
        )
        write(f"{root}/overlay-layers/{layer.id}.tar-split.gz", empty)
    write(f"{root}/overlay-layers/layers.json", json.dumps(records))
    parents = {layer.chain[0] for layer in layers if layer.chain}
    images = []
    for layer in layers:
        if layer.number in parents and layer.number % 4:
            continue
        diffs = [digest(layer_id(n).encode()) for n in reversed(layer.chain)] + [digest(layer.id.encode())]
        config = json.dumps(
            {
                "created": CREATED,
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/bin/sh"], "Env": [f"LAYER={layer.number}"]},
                "rootfs": {"type": "layers", "diff_ids": diffs},
                "history": [{"created": CREATED, "created_by": f"RUN step {n}"} for n in range(len(diffs))],
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": digest(config),
                    "size": len(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                        "digest": digest(diff.encode()),
                        "size": 1000,
                    }
                    for diff in diffs
                ],
            }
        ).encode()
        name, image = digest(manifest), digest(config).removeprefix("sha256:")
        data = {"manifest": manifest, f"manifest-{name}": manifest, f"sha256:{image}": config}
        home = f"{root}/overlay-images/{image}"
        os.mkdir(home, 0o700)
        for key, value in data.items():
            write(f"{home}/{big_data_file(key)}", value)
        named = {"names": [f"registry.example.com/bench/app{layer.number}:latest"]} if layer.number % 5 else {}
        images.append(
            {
                "id": image,
                "digest": name,
                **named,
                "layer": layer.id,
                "metadata": "{}",
                "big-data-names": list(data),
                "big-data-sizes": {key: len(value) for key, value in data.items()},
                "big-data-digests": {key: digest(value) for key, value in data.items()},
                "created": CREATED,
            }
        )
    write(f"{root}/overlay-images/images.json", json.dumps(images))
    write(f"{root}/overlay-containers/containers.json", "[]")


def big_data_file(key: str) -> str:
    """The file of a big-data key: itself, or `=` and base64 if something follows a character that isn't plain.

    Source: formats, containers-storage 1.8.
    """
    rest = key.lstrip("0123456789abcdefghijklmnopqrstuvwxyz.")
    return "=" + base64.b64encode(key.encode()).decode() if len(rest) > 1 else key


def make_store(root: str, inodes: int, seed: int = 1) -> None:
    """A store at `root`, which must not exist yet, with about `inodes` inodes."""
    os.makedirs(root, 0o700)
    for name in ("overlay/l", "overlay-layers", "overlay-images", "overlay-containers", "libpod", "volumes"):
        os.makedirs(f"{root}/{name}", 0o700)
    for name in ("storage.lock", "userns.lock", "overlay-layers/layers.lock", "overlay-images/images.lock"):
        write(f"{root}/{name}", "")
    write(f"{root}/overlay-containers/containers.lock", "")
    write(f"{root}/overlay/.has-mount-program", "false")
    layers = plan_layers(inodes, seed)
    # Every layer has a few inodes of its own besides its tree.
    layers = [layer._replace(inodes=max(1, layer.inodes - 8)) for layer in layers]
    processes = [layers[n::2] for n in range(2)]
    child = os.fork()
    if not child:
        make_layers(root, processes[1], seed)
        os._exit(0)
    make_layers(root, processes[0], seed)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("the second process failed")
    make_records(root, layers)
    # Blocks that are allocated late would change under the comparison.
    os.sync()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--inodes", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    start = time.perf_counter()
    make_store(args.directory, args.inodes, args.seed)
    print(f"{args.directory}: made in {time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
