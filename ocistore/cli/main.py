"""The command line: its verbs, loaded when they are called, and its exit statuses."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ocistore import __version__
from ocistore.errors import OcistoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {
    "detect": "Which stores are below PATH.",
    "df": "Where every byte is, what holds it, what safe steps would free.",
    "ls": "What is in the store.",
    "tree": "How images, layers and records build on each other.",
    "why": "What holds a thing, and what must go for it to go.",
    "check": "Whether the store is whole.",
    "plan": "What a prune or a removal would take, to the byte; nothing is removed.",
}
"""The verbs and their first sentences; here, so that --help loads none of them."""

INTERRUPTED = 130
PIPE_CLOSED = 141

EPILOG = """\b
Examples:
  ocistore df /var/lib/containers/storage
  ocistore plan /var/lib/containers/storage --as 'podman image prune -a'

\b
Exit status: 0 a whole answer; 1 a partial one, errors found, or a blocked plan;
2 not a store, unknown thing, bad usage."""


class _PipeClosed(Exception):
    """Whoever read the answer went away."""


class _Verbs(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"ocistore.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would end the process with 1.
            raise _PipeClosed from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="VERB STORE [options]",
)
@click.version_option(__version__, prog_name="ocistore", message="%(prog)s %(version)s")
def command() -> None:
    """What a container engine's storage directory holds, what holds it, and what can go.

    Everything is read from the files alone: no daemon, no locks, and nothing is ever written.
    """


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; an error is one sentence, never a traceback."""
    # One answer and out: what is read stays until the end, and looking for circles in it only costs time.
    gc.disable()
    sys.exit(status_of(arguments))


def status_of(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives back its exit status."""
    # A name that the terminal's encoding lacks must not end the answer.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = command.main(args=arguments, prog_name="ocistore", standalone_mode=False)
        sys.stdout.flush()
    except OcistoreError as err:
        return _fail(str(err), err.exit_code)
    except click.ClickException as err:
        context = err.ctx if isinstance(err, click.UsageError) else None
        help_at = f" (see {context.command_path} --help)" if context else ""
        return _fail(f"{err.format_message()}{help_at}", 2)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (BrokenPipeError, _PipeClosed):
        # Whoever read the answer has seen enough; Python's last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except RecursionError:
        return _fail("the store's records are nested deeper than can be read", 1)
    except MemoryError:
        return _fail("not enough memory for this store", 1)
    except Exception as err:
        if os.environ.get("OCISTORE_DEBUG"):
            raise
        return _fail(
            f"a fault of ocistore itself ({type(err).__name__}: {err}); OCISTORE_DEBUG=1 shows where, please report it",
            1,
        )
    return status if isinstance(status, int) else 0


def _fail(sentence: str, status: int) -> int:
    from ocistore.cli.table import escape

    print(f"ocistore: {escape(sentence)}", file=sys.stderr)
    return status
