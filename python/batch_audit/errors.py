"""Errors that reach a person.

    BatchAuditError                2  anything below
    ├── ConfigurationError         2  the project, the profile or the command line is wrong
    ├── WarehouseError             2  the warehouse refused: unreachable, locked, not permitted, bad SQL
    ├── StoreMissingError          2  there is no audit store where one was expected
    ├── DeliveryError              2  what was to be sent or written elsewhere did not arrive there
    ├── VerificationFailed         1  the store does not prove what it claims
    │   └── UnreadableError        1  a digest, witness, key or proof that was given cannot be read
    │       └── UnknownFormatError 1  its format is one that this version does not know
    └── EvidenceIncomplete         4  the run is fine but its evidence is not complete

The number is the exit status of the command. A message says what happened, to which object, why, and what to
do.
"""

from typing import ClassVar


class BatchAuditError(Exception):
    """Base of every error that the command prints without a stack trace."""

    exit_code: ClassVar[int] = 2


class ConfigurationError(BatchAuditError):
    """The project, the profile or the command line is wrong."""


class WarehouseError(BatchAuditError):
    """The warehouse cannot be reached or refused a statement."""


class StoreMissingError(BatchAuditError):
    """No audit store exists where one was expected."""


class DeliveryError(BatchAuditError):
    """What was to be sent or written elsewhere did not arrive there, or not all of it."""


class VerificationFailed(BatchAuditError):
    """The store was read and does not prove what it claims."""

    exit_code = 1


class UnreadableError(VerificationFailed):
    """A digest, witness, key or proof that was given cannot be read: it was edited, cut, or is something else."""


class UnknownFormatError(UnreadableError):
    """What was given is of a format that this version does not know."""


class EvidenceIncomplete(BatchAuditError):
    """The run itself is fine, but its evidence is not complete."""

    exit_code = 4
