"""Stores of podman, buildah and CRI-O."""
