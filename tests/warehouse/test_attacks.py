"""Every attack of the administrator on both engines: what verifying says, with and without digests and witness."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.administrator import ATTACKS, Attack
from tests.support.kept import Kept
from tests.support.open_store import OpenStore
from tests.support.synthetic_store import SyntheticStore, ordinary_store


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_an_attack_is_found_by_what_is_said_to_find_it(
    open_store: Callable[[SyntheticStore], OpenStore], tmp_path: Path, attack: Attack
) -> None:
    kept = Kept(open_store(ordinary_store(changes=20)), tmp_path)
    kept.publish()
    kept.write_third()
    kept.publish()
    assert kept.store.verify().ok and kept.verify().ok

    attack.do(kept)

    said = [kept.store.verify(), kept.verify(witness=False), kept.verify()]
    found = [result.damages[0].kind if result.damages else None for result in said]
    assert found == [attack.alone, attack.digests, attack.witness]
    assert [result.ok for result in said] == [kind is None for kind in found]
