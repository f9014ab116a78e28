"""containerd roots."""
