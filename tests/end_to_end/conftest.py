"""Fixtures for the tests that run dbt many times."""

from collections.abc import Iterator

import pytest

from tests.support import forked


@pytest.fixture(scope="session")
def forks() -> Iterator[forked.Forks]:
    """Starts dbt and batch-audit without their imports: see `tests.support.forked`."""
    with forked.forks() as started:
        yield started
