"""A generated project of compiled models, as dbt writes them: staging, joins and marts, each reading earlier ones."""

import random
import re
from typing import Any, NamedTuple

_WORDS = [
    "id",
    "customer",
    "order",
    "amount",
    "status",
    "country",
    "channel",
    "price",
    "quantity",
    "created",
    "updated",
    "discount",
    "tax",
    "region",
]


class Model(NamedTuple):
    """One compiled model."""

    name: str
    sql: str


def project(models: int, seed: int = 7) -> tuple[list[Model], dict[str, list[str]]]:
    """`models` models and the columns of every relation, sources included."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    schema = {f"raw.src_{place}": _columns(rng, 12) for place in range(max(10, models // 10))}
    made: list[Model] = []
    for place in range(models):
        parents = rng.sample(sorted(schema)[-400:], 3)
        kind = rng.random()
        shape = _staging if kind < 0.4 else _joined if kind < 0.75 else _mart
        sql, columns = shape(rng, parents, schema)
        name = f"dwh.model_{place}"
        made.append(Model(name, sql))
        schema[name] = columns
    return made, schema


def artifacts(models: list[Model], schema: dict[str, list[str]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The project as a manifest and a catalog, as far as tools that read lineage from them need it."""
    unique_ids = {name: _unique_id(name) for name in schema}
    made = {model.name: model.sql for model in models}
    nodes: dict[str, dict[str, Any]] = {"model": {}, "source": {}}
    catalog: dict[str, dict[str, Any]] = {"model": {}, "source": {}}
    for name, columns in schema.items():
        parent, table = name.split(".")
        kind = unique_ids[name].split(".")[0]
        sql = made.get(name, "")
        words = set(re.findall(r"\w+\.\w+", sql))
        nodes[kind][unique_ids[name]] = {
            "unique_id": unique_ids[name], "resource_type": kind, "name": table, "alias": table, "identifier": table,
            "schema": parent, "database": "db", "relation_name": name, "package_name": "p", "path": f"{table}.sql",
            "original_file_path": f"models/{table}.sql", "compiled_code": sql, "raw_code": sql, "language": "sql",
            "source_name": parent, "config": {"materialized": "table"}, "tags": [], "description": "", "meta": {},
            "columns": {column: {"name": column} for column in columns},
            "depends_on": {"nodes": sorted(unique_ids[word] for word in words if word in unique_ids)},
        }  # fmt: skip
        catalog[kind][unique_ids[name]] = {
            "unique_id": unique_ids[name],
            "metadata": {"type": "TABLE", "schema": parent, "name": table, "database": "db"},
            "columns": {c: {"name": c, "type": "VARCHAR", "index": i} for i, c in enumerate(columns, 1)},
        }
    parents = {key: node["depends_on"]["nodes"] for group in nodes.values() for key, node in group.items()}
    metadata = {
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.0",
        "adapter_type": "duckdb", "project_name": "p", "generated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    manifest = {
        "metadata": metadata, "nodes": nodes["model"], "sources": nodes["source"], "exposures": {}, "macros": {},
        "parent_map": parents, "child_map": {key: [] for key in parents},
    }  # fmt: skip
    return manifest, {"metadata": metadata, "nodes": catalog["model"], "sources": catalog["source"]}


def _unique_id(name: str) -> str:
    parent, table = name.split(".")
    return f"source.p.raw.{table}" if parent == "raw" else f"model.p.{table}"


def _columns(rng: random.Random, count: int) -> list[str]:
    return ["id", *(f"{rng.choice(_WORDS)}_{place}" for place in range(1, count))]


def _staging(rng: random.Random, parents: list[str], schema: dict[str, list[str]]) -> tuple[str, list[str]]:
    parent = parents[0]
    names = [f"{name}_s" if name != "id" else name for name in schema[parent]][:20]
    items = [_staged(rng, column, name) for column, name in zip(schema[parent], names, strict=False)]
    body = ",\n    ".join(items)
    sql = (
        f"with source as (\n  select * from {parent}\n),\nrenamed as (\n  select\n    {body}\n  from source\n"
        f"  where {schema[parent][1]} is not null\n)\nselect * from renamed"
    )
    return sql, names


def _staged(rng: random.Random, column: str, name: str) -> str:
    shape = rng.choice(
        ["{0}", "cast({0} as varchar)", "coalesce({0}, 0)", "nullif(trim({0}), '')", "lower({0})"]
    )
    return f"{shape.format(column)} as {name}"


def _joined(rng: random.Random, parents: list[str], schema: dict[str, list[str]]) -> tuple[str, list[str]]:
    left, right, third = parents
    a, b, c = schema[left][:10], schema[right][1:8], schema[third][1:6]
    names = ["id", *(f"l_{place}" for place in range(1, len(a))), *(f"r_{place}" for place in range(len(b)))]
    items = [f"a.{column} as {name}" for column, name in zip(a, names, strict=False)]
    items += [f"coalesce(b.{column}, 0) as {name}" for column, name in zip(b, names[len(a) :], strict=True)]
    items += [
        f"case when c.{c[0]} > {rng.randrange(9)} then 'high'"
        f" when c.{c[0]} is null then 'none' else c.{c[1]} end as band"
    ]
    items += [f"row_number() over (partition by a.{a[1]} order by a.{a[-1]} desc) as place"]
    body = ",\n    ".join(items)
    sql = (
        f"with a as (select * from {left}),\nb as (select * from {right} where {b[0]} > 0),\n"
        f"c as (select id, {', '.join(c)} from {third}),\n"
        f"joined as (\n  select\n    {body}\n  from a\n  left join b on a.id = b.id\n"
        f"  left join c on c.id = a.{a[1]}\n)\n"
        f"select * from joined where place = 1"
    )
    return sql, [*names, "band", "place"]


def _mart(rng: random.Random, parents: list[str], schema: dict[str, list[str]]) -> tuple[str, list[str]]:
    left, right, _ = parents
    a, b = schema[left], schema[right]
    keys, measured = a[1:4], [*a[4:9], *b[1:4]]
    items = [f"x.{key} as {key}" for key in keys]
    names = list(keys)
    for place, column in enumerate(measured):
        function = rng.choice(["sum", "max", "min", "avg", "count"])
        side = "x" if column in a[4:9] else "y"
        items.append(
            f"{function}(case when {side}.{column} > {place} then {side}.{column} else 0 end) as m_{place}"
        )
        names.append(f"m_{place}")
    body = ",\n    ".join(items)
    group = ", ".join(f"x.{key}" for key in keys)
    sql = (
        f"with base as (\n  select * from {left} where id in (select id from {right})\n),\n"
        f"measures as (\n  select\n    {body},\n"
        f"    count(*) as row_count, max(x.id) as id\n  from base x\n"
        f"  left join {right} y on x.id = y.id\n  group by {group}\n)\n"
        f"select m.*, m.m_0 / nullif(m.row_count, 0) as ratio from measures m\nunion all\n"
        f"select m.*, null as ratio from measures m where m.row_count > 1"
    )
    return sql, [*names, "row_count", "id", "ratio"]
