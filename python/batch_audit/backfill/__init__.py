"""What a snapshot's own rows say of the time before the audit, written down as change events."""
