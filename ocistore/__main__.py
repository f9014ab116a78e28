"""`python -m ocistore`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the command line; answers `--version` before anything heavy is imported."""
    if sys.argv[1:] == ["--version"]:
        from ocistore import __version__

        print(f"ocistore {__version__}")
        return
    # Imported here so that --version pays for nothing else.
    from ocistore.cli.main import run

    run()


if __name__ == "__main__":
    main()
