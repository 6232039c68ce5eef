"""Entry point of the command `batch-audit` and of `python -m batch_audit`."""

import sys

from batch_audit.errors import BatchAuditError

# The shell's status for a process that SIGINT ended; click's own 1 would read as "verification failed".
INTERRUPTED = 130


def main() -> None:
    """Run the command and turn errors for people into a message on stderr and an exit status."""
    import click

    from batch_audit.cli import cli

    try:
        status = cli.main(prog_name="batch-audit", standalone_mode=False)
    except BatchAuditError as error:
        print(f"batch-audit: {error}", file=sys.stderr)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        print("batch-audit: interrupted.", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
