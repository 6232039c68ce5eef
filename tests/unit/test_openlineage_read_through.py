"""Edges read through ephemeral models: the same as walking every path by hand."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_audit.openlineage.column_lineage import ColumnEdge, Edge, read_through

STRENGTH = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
LEVELS = ("seed", "e1", "e2", "e3")
columns = st.sampled_from(["x", "y"])
direct = st.tuples(st.just("DIRECT"), st.sampled_from(STRENGTH))
indirect = st.tuples(st.just("INDIRECT"), st.sampled_from(["FILTER", "CONDITIONAL"]))


def into(level: int) -> st.SearchStrategy[list[Edge]]:
    """Edges from what is below a level; only indirect ones may lead to all rows."""
    source = st.sampled_from(LEVELS[:level])
    to_column = st.builds(
        lambda s, c, t, k, m: Edge(s, c, t, *k, m), source, columns, columns, direct | indirect, st.booleans()
    )
    to_all = st.builds(lambda s, c, k, m: Edge(s, c, None, *k, m), source, columns, indirect, st.booleans())
    return st.lists(to_column | to_all, max_size=4)


def paths(edges: Sequence[Edge], inner: dict[str, list[Edge]]) -> list[list[Edge]]:
    """Every path from a seed, the edge into the model last; what influences all rows of a part ends there."""
    found = []
    for edge in edges:
        if edge.source not in inner:
            found.append([edge])
            continue
        below = paths(inner[edge.source], inner)
        found += [[*path, edge] for path in below if path[-1].target_column == edge.source_column]
        found += [path for path in below if path[-1].target_column is None]
    return found


def summed(path: Sequence[Edge]) -> tuple[str, str, str | None, str, str, bool]:
    outermost = next((edge for edge in reversed(path) if edge.kind == "INDIRECT"), None)
    kind, subtype = ("INDIRECT", outermost.subtype) if outermost else (
        "DIRECT", max((edge.subtype for edge in path), key=STRENGTH.index)
    )  # fmt: skip
    first = path[0]
    return (
        first.source,
        first.source_column,
        path[-1].target_column,
        kind,
        subtype,
        any(e.masking for e in path),
    )


def plain(edge: ColumnEdge) -> tuple[str, str, str | None, str, str, bool]:
    return edge.source, edge.source_column, edge.target_column, edge.kind, edge.subtype, edge.masking


@settings(deadline=None)
@given(into(1), into(2), into(3), into(4))
def test_reading_through_is_walking_every_path(
    e1: list[Edge], e2: list[Edge], e3: list[Edge], model: list[Edge]
) -> None:
    inner = {"e1": e1, "e2": e2, "e3": e3}
    assert {plain(edge) for edge in read_through(model, inner)} == {
        summed(path) for path in paths(model, inner)
    }


def test_an_unknown_column_of_the_inner_model_stays_unknown() -> None:
    inner = {"e": [Edge("seed", "id", "id", "DIRECT", "IDENTITY")]}
    [edge] = read_through([Edge("e", "*", "*", "DIRECT", "IDENTITY")], inner)
    assert plain(edge) == ("seed", "*", "*", "DIRECT", "IDENTITY", False)


def test_a_cycle_ends() -> None:
    loop = {"e": [Edge("e", "id", "id", "DIRECT", "IDENTITY")]}
    assert [edge.source for edge in read_through([Edge("e", "id", "id", "DIRECT", "IDENTITY")], loop)] == [
        "e"
    ]
