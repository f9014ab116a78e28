"""Which nodes a command or scope takes."""
