"""What docker's commands take."""
