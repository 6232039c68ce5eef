"""Entry point of the command `batch-audit` and of `python -m batch_audit`."""

import sys

from batch_audit.errors import BatchAuditError


def main() -> None:
    """Run the command and turn errors for people into a message on stderr and an exit status."""
    from batch_audit.cli import cli

    try:
        cli.main(prog_name="batch-audit")
    except BatchAuditError as error:
        print(f"batch-audit: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
