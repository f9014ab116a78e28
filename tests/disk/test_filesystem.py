"""Which file system a directory lies on."""

from __future__ import annotations

from ocistore.disk.filesystem import find_type

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:35 / /srv rw - btrfs /dev/sdb rw,subvol=/
41 40 8:17 / /srv/with\\040space rw master:7 propagate_from:2 - xfs /dev/sdc1 rw
42 22 0:40 / /srvother rw - tmpfs tmpfs rw
43 40 8:18 / /srv rw - xfs /dev/sdd1 rw
"""


def test_the_longest_mount_point_above_a_path_counts() -> None:
    """The one mounted last where two are on the same point; a name that only begins alike doesn't count."""
    found = {path: find_type(path, MOUNTS) for path in ("/usr", "/srv/x", "/srv/with space/y", "/srvother", "/srvx")}

    assert found == {"/usr": "ext4", "/srv/x": "xfs", "/srv/with space/y": "xfs", "/srvother": "tmpfs", "/srvx": "ext4"}


def test_what_can_t_be_told_is_empty() -> None:
    """Without a mount above it, or with lines of another form."""
    assert [find_type("/x", ""), find_type("/x", "nonsense\n1 2 3")] == ["", ""]


def test_the_running_system_says_something() -> None:
    """The kernel's own list is read."""
    assert find_type("/proc") == "proc"
