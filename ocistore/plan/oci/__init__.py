"""Plans for OCI image layouts: what umoci, skopeo and oras would take, and what the scopes mean here."""
