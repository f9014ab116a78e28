"""bbolt files: pages, the choice of the meta page, buckets (docker-buildkit-containerd 1.1 to 1.8).

    database = Database(data)
    bucket = database.root.bucket(b"ctr")
    for key, value in bucket.items(): ...      # value is bytes, or a Bucket

A file is read whole, or a large one page by page, and never mapped: a mapping of a file that another process cuts ends
the program with SIGBUS, and no flag can promise that nobody does.  Before anything is given out all trees are scanned
once: numbers, offsets, depth and order are checked there, and a page that two trees claim is damage, so that no file
can make a reader run for ever.
"""

from ocistore.formats.bolt.database import Bucket, Database
from ocistore.formats.bolt.pages import Source
from ocistore.formats.bolt.structure import Structure, read_structure

__all__ = ["Bucket", "Database", "Source", "Structure", "read_structure"]
