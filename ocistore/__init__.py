"""ocistore reads the storage directories of container engines from their files alone.

import ocistore
store = ocistore.open_store("/var/lib/containers/storage")
"""

from __future__ import annotations

__version__ = "0.1.0"
