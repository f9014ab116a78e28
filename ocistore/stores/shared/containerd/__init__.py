"""containerd's metadata, content and snapshots, wherever an engine keeps them."""
