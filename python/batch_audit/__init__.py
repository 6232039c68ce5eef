"""The audit trail of a dbt warehouse: what ran, who ran it, which records changed, and proof of it.

The command `batch-audit` lives in `batch_audit.cli`; the dbt package that ships beside it is found with
`batch_audit.package.package_dir`.
"""

from batch_audit.errors import (
    BatchAuditError,
    ConfigurationError,
    EvidenceIncomplete,
    StoreMissingError,
    VerificationFailed,
    WarehouseError,
)

__version__ = "0.1.0"

__all__ = [
    "BatchAuditError",
    "ConfigurationError",
    "EvidenceIncomplete",
    "StoreMissingError",
    "VerificationFailed",
    "WarehouseError",
    "__version__",
]
