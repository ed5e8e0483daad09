"""The command line. Exit code 0 on success, 2 on a user's mistake (one line on stderr), 1 on a fault of ours."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from core.commands import (
    ablate,
    audit,
    bench,
    evaluate,
    explain,
    explain_latent,  # noqa: F401 - adds its commands to explain.app
    explain_masks,  # noqa: F401 - adds its commands to explain.app
    explain_one_vs_one,  # noqa: F401 - adds its command to explain.app
    predict,
    references,
    studies,
    train,
)
from core.commands.allocator import keep_freed_memory
from core.commands.serve import serve
from core.errors import UserError

app = typer.Typer(
    name="contralens",
    help="What, had it been different in this picture, would have changed the classifier's answer?",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(train.app, name="train")
app.add_typer(explain.app, name="explain")
app.command("studies")(studies.studies)
app.command("predict")(predict.predict)
app.command("references")(references.references)
app.command("evaluate")(evaluate.evaluate)
app.command("ablate")(ablate.ablate)
app.command("audit")(audit.audit)
app.command("bench")(bench.bench)


@app.callback(invoke_without_command=True)
def dashboard(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "localhost",
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
) -> None:
    """Without a command: open the dashboard. Research and teaching software, not a medical device."""
    if context.invoked_subcommand is None:
        raise typer.Exit(serve(port, host, headless))


def main() -> None:
    """Entry point of the console script."""
    keep_freed_memory()
    try:
        code = app(standalone_mode=False)  # click hands back the code of an Exit, and 130 after Ctrl-C
        sys.stdout.flush()
    except UserError as fault:
        _fail(str(fault))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.exit(0)
    except OSError as fault:
        _fail(f"{fault.filename or 'The output'} cannot be read or written: {fault.strerror or fault}.")
    except Exception as fault:
        # typer.TyperUsage and click's own errors: a wrong option is a user's mistake too.
        if hasattr(fault, "format_message"):
            if not fault.format_message():  # a group without a command: its help has been printed
                sys.exit(2)
            _fail(fault.format_message())
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _fail(sentence: str) -> None:
    print("contralens: " + " ".join(sentence.split()), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
