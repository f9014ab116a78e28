"""What containerd's collector and ctr's commands take."""
