"""What podman, buildah and containers-storage take from a containers/storage directory."""
