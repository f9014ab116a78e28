"""ocistore reads the storage directories of container engines from their files alone.

Example:
    >>> import ocistore
    >>> for found in ocistore.detect("/var/lib"):  # doctest: +SKIP
    ...     print(found.root, found.kind, found.driver)
    >>> store = ocistore.open_store("/var/lib/containers/storage")  # doctest: +SKIP
    >>> for number in ocistore.find_things(store, "localhost/web:latest"):  # doctest: +SKIP
    ...     for chain in ocistore.chains(store.graph, number, limit=10):
    ...         print([(store.graph.nodes[node].key, word) for node, word in chain])
    >>> plan = ocistore.plan_command(store, "podman image prune -a", now_ns=time.time_ns())  # doctest: +SKIP
    >>> print(plan.frees, [step.removal.paths for step in plan.steps])  # doctest: +SKIP

Nothing is written, mounted, locked or asked of a daemon.  What is odd or broken is in `store.findings`; errors are
children of `OcistoreError`.  Names are loaded when they are used, so that `import ocistore` is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ocistore.check.structure import check_structure as check_structure
    from ocistore.check.verified import Verified as Verified
    from ocistore.check.verify import verify as verify
    from ocistore.disk.tree import DirectoryTree as DirectoryTree
    from ocistore.disk.tree import Tree as Tree
    from ocistore.errors import CorruptFile as CorruptFile
    from ocistore.errors import NotAStore as NotAStore
    from ocistore.errors import OcistoreError as OcistoreError
    from ocistore.errors import UnknownThing as UnknownThing
    from ocistore.errors import UnreadableFile as UnreadableFile
    from ocistore.errors import Unsupported as Unsupported
    from ocistore.errors import UsageError as UsageError
    from ocistore.findings import CODES as CODES
    from ocistore.findings import Finding as Finding
    from ocistore.findings import Findings as Findings
    from ocistore.graph.graph import Graph as Graph
    from ocistore.graph.graph import Node as Node
    from ocistore.graph.reach import chains as chains
    from ocistore.graph.reach import goes_with as goes_with
    from ocistore.plan.make import plan_command as plan_command
    from ocistore.plan.make import plan_remove as plan_remove
    from ocistore.plan.make import plan_scopes as plan_scopes
    from ocistore.plan.plan import Plan as Plan
    from ocistore.plan.plan import Removal as Removal
    from ocistore.plan.plan import Step as Step
    from ocistore.stores.detect import Found as Found
    from ocistore.stores.detect import detect as detect
    from ocistore.stores.find import find_things as find_things
    from ocistore.stores.find import owner_of as owner_of
    from ocistore.stores.open import open_store as open_store
    from ocistore.stores.open import open_stores as open_stores
    from ocistore.stores.store import Options as Options
    from ocistore.stores.store import Place as Place
    from ocistore.stores.store import Store as Store
    from ocistore.usage.bytes import Bytes as Bytes
    from ocistore.usage.sizes import Sizes as Sizes
    from ocistore.usage.sizes import measure as measure

_FROM = {
    "ocistore.check.structure": ("check_structure",),
    "ocistore.check.verified": ("Verified",),
    "ocistore.check.verify": ("verify",),
    "ocistore.disk.tree": ("DirectoryTree", "Tree"),
    "ocistore.errors": (
        "CorruptFile",
        "NotAStore",
        "OcistoreError",
        "UnknownThing",
        "UnreadableFile",
        "Unsupported",
        "UsageError",
    ),
    "ocistore.findings": ("CODES", "Finding", "Findings"),
    "ocistore.graph.graph": ("Graph", "Node"),
    "ocistore.graph.reach": ("chains", "goes_with"),
    "ocistore.plan.make": ("plan_command", "plan_remove", "plan_scopes"),
    "ocistore.plan.plan": ("Plan", "Removal", "Step"),
    "ocistore.stores.detect": ("Found", "detect"),
    "ocistore.stores.find": ("find_things", "owner_of"),
    "ocistore.stores.open": ("open_store", "open_stores"),
    "ocistore.stores.store": ("Options", "Place", "Store"),
    "ocistore.usage.bytes": ("Bytes",),
    "ocistore.usage.sizes": ("Sizes", "measure"),
}
_MODULES = {name: module for module, names in _FROM.items() for name in names}

__all__ = ["__version__", *sorted(_MODULES)]


def __getattr__(name: str) -> object:
    """Loads the module of a name when it is used first."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
