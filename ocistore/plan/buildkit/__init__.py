"""What BuildKit's commands and policies take."""
