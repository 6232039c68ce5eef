"""Rows that no table holds: VALUES, UNNEST, FLATTEN, explode, and other functions in FROM."""

from sqlglot import exp

from batch_audit.lineage import functions
from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import JOIN, NOTHING, TRANSFORMATION, Flow, Flows, Gap, read
from batch_audit.lineage.paths import column_of
from batch_audit.lineage.relations import AnyName, Column, Relation, add_dataset
from batch_audit.lineage.scope import Scope, Source
from batch_audit.lineage.tree import alias_names

Dataset = dict[Flow | Gap, exp.Expr | None]
_DEFAULT_NAMES = {
    "explode": ["col", "key", "value"],
    "posexplode": ["pos", "col", "key", "value"],
    "json_each": ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"],
    "jsonb_each": ["key", "value"],
    "jsonb_each_text": ["key", "value"],
    "json_each_text": ["key", "value"],
    "flatten": ["seq", "key", "path", "index", "value", "this"],
    "splittotable": ["seq", "index", "value"],
    "strtoksplittotable": ["seq", "index", "value"],
    "string_split": ["value", "ordinal"],
    "json_array_elements": ["value"],
    "jsonb_array_elements": ["value"],
    "generateseries": ["generate_series", "range", "value"],
    "openjson": ["key", "value", "type"],
}


class _Elements(Relation):
    """The elements of an array or object: asked for a name that no table may have."""

    weak = True


def values(node: exp.Values, scope: Scope) -> Relation:
    """VALUES: a column unites its rows."""
    alias, names = alias_names(node)
    columns: list[set[Flow | Gap]] = []
    for row in node.expressions:
        cells = row.expressions if isinstance(row, exp.Tuple) else [row]
        for place, cell in enumerate(cells):
            if place == len(columns):
                columns.append(set())
            columns[place] |= flows_of(cell, scope)
    first = 0 if scope.reader.dialect_name == "duckdb" else 1
    prefix = "col" if scope.reader.dialect_name in ("duckdb", "spark", "databricks", "hive") else "column"
    made = [Column(f"{prefix}{place + first}", frozenset(flows), node) for place, flows in enumerate(columns)]
    return Relation(made, None, alias).renamed(names, alias)


def function(node: exp.Expr, scope: Scope, dataset: Dataset) -> Relation:
    """A function in FROM: every column comes from its arguments, which decide the rows, too."""
    alias, names = alias_names(node)
    calls = _calls(node)
    if len(calls) == 1 and _reads_file(calls[0]):
        return _file(calls[0], scope, names, alias)
    arguments = [part for call in calls for part in _arguments(call)]
    columns = [_element(part, scope) for part in arguments]
    flows: Flows = frozenset().union(*(column.flows for column in columns)) if columns else NOTHING
    for call in calls:
        if _opaque(call):
            flows |= {Gap(f"what the function {functions.name_of(call)} reads is not known", call)}
    add_dataset(dataset, read(flows, JOIN), node)
    if all(isinstance(call, exp.Unnest) for call in calls):
        return _unnested(node, columns, names, alias, scope)
    names = names or [
        column.name for call in calls for column in call.args.get("expressions") or () if _defines(column)
    ]
    fields = isinstance(calls[0], exp.Explode) and all(column.paths for column in columns)
    return _named(calls, names, alias, Column("", flows, node, None, fields))


def array_of(owner: Relation, path: tuple[str, ...], node: exp.Table, dataset: Dataset) -> Relation:
    """`FROM t, t.items i`: i is an element of the array."""
    column = owner.named_or_imagined(path[0], node)
    for name in path[1:]:
        column = column.field(name)
    element = column.read(TRANSFORMATION)
    add_dataset(dataset, read(element.flows, JOIN), node)
    alias = alias_names(node)[0] or path[-1]
    fields = AnyName(element.flows, alias, node, [element.named(alias)])
    fields.weak = True
    return fields


def array_join(array: exp.Expr, scope: Scope, dataset: Dataset) -> None:
    """ClickHouse's `ARRAY JOIN items AS i`: a row per element; without an alias the column itself is the element."""
    element = _element(array.this if isinstance(array, exp.Alias) else array, scope)
    add_dataset(dataset, read(element.flows, JOIN), array)
    if array.alias:
        made = Relation([element.named(array.alias)], None, array.alias)
        scope.sources.append(Source((array.alias.lower(),), made))


def _calls(node: exp.Expr) -> list[exp.Expr]:
    """The functions behind Table, Lateral, TableFromRows and ROWS FROM."""
    if isinstance(node, exp.Table) and node.args.get("rows_from"):
        return [call for part in node.args["rows_from"] for call in _calls(part)]
    if isinstance(node, (exp.Table, exp.Lateral, exp.TableFromRows)) and isinstance(node.this, exp.Expr):
        return _calls(node.this)
    return [node]


def _arguments(call: exp.Expr) -> list[exp.Expr]:
    parts: list[exp.Expr] = []
    for name, value in call.args.items():
        if name in ("alias", "offset", "pivots"):
            continue
        found = value if isinstance(value, list) else [value]
        parts += [part for part in found if isinstance(part, exp.Expr) and not _defines(part)]
    return parts


def _defines(part: object) -> bool:
    """A column that the call declares, as OPENJSON's WITH does."""
    return isinstance(part, (exp.ColumnDef, exp.OpenJSONColumnDef, exp.JSONColumnDef, exp.Schema))


def _element(part: exp.Expr, scope: Scope) -> Column:
    """An argument as what one of its elements is."""
    inner = part.expression if isinstance(part, exp.Kwarg) else part
    return column_of(inner, scope).read(TRANSFORMATION)


def _reads_file(call: exp.Expr) -> bool:
    return isinstance(call, functions.FILE_READERS) or functions.name_of(call) in functions.FILE_READER_NAMES


def _file(call: exp.Expr, scope: Scope, names: list[str], alias: str) -> Relation:
    """A file is a source like a table; its path is its name."""
    literal = call.find(exp.Literal)
    base = scope.reader.base((literal.name if literal is not None else functions.name_of(call),))
    return base.renamed(names, alias) if names else base


def _opaque(call: exp.Expr) -> bool:
    """A function of the user's own may read any table."""
    return isinstance(call, exp.Anonymous) and functions.name_of(call) not in functions.ROW_MAKER_NAMES


def _unnested(node: exp.Expr, columns: list[Column], names: list[str], alias: str, scope: Scope) -> Relation:
    """UNNEST: one column per array, then the position; fields of an element keep their path."""
    offset = node.args.get("offset")
    outputs = [column.named(names[place]) for place, column in enumerate(columns) if place < len(names)]
    flows: Flows = frozenset().union(*(column.flows for column in columns)) if columns else NOTHING
    # Further names are an element's fields, or the position of WITH ORDINALITY.
    outputs += [Column(name, flows, node, None, True) for name in names[len(outputs) :]]
    if not names:
        outputs = [column.named(alias or "unnest") for column in columns]
        if alias:
            outputs += [column.named("unnest") for column in columns]
    if isinstance(offset, exp.Expr):
        outputs.append(Column(offset.name, NOTHING, node))
    if scope.reader.dialect_name == "bigquery":
        relation: Relation = AnyName(flows, alias, node, outputs)
        relation.weak = True
        return relation
    return _Elements(outputs, None, alias)


def _named(calls: list[exp.Expr], names: list[str], alias: str, row: Column) -> Relation:
    """Columns by the names that are given or usual; all come from the same place as the `row`."""
    if not names and len(calls) == 1:
        call = calls[0]
        names = list(_DEFAULT_NAMES.get(functions.name_of(call), []))
        if names and alias and len(names) == 1:
            names.append(alias)
        if not names and functions.is_row_maker(call) and alias:
            names = [alias]
    if names:
        return _Elements([row.named(name) for name in names], None, alias)
    relation = AnyName(row.flows, alias or functions.name_of(calls[0]), row.node)
    relation.weak = not any(isinstance(flow, Gap) for flow in row.flows)
    return relation
