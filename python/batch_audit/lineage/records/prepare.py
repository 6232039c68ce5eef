"""A query made ready to be rewritten: names resolved, stars and CTEs written out, each read of a relation on its own.

Every CTE and derived table is resolved once, alone, and stands in its reader as a table of known columns while the
reader is resolved: so the work grows with the text, and names that occur twice are told apart first.
"""

from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from batch_audit.lineage.records import own_functions, recursion
from batch_audit.lineage.records.catalog import Catalog, Known, is_mixed
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nesting import NOTES, flatten, nest
from batch_audit.lineage.records.nodes import QUERIES, output_names
from batch_audit.lineage.records.pivots import spread
from batch_audit.lineage.records.spelling import (
    by_name,
    group_by_all,
    joined_subset,
    merge_leftovers,
    nearest,
    note_asof,
    unique_names,
)
from batch_audit.lineage.tree import alias_names, table_parts

MOST_READS = 500  # CTEs that read CTEs several times can multiply beyond use


@dataclass
class Prepared:
    """A resolved query (a recursive CTE's own name, within it), and the types of its columns ('' where not known)."""

    query: exp.Query
    types: dict[str, str]


Env = dict[str, tuple[Prepared, list[str]]]  # CTEs by name, with the names that they give their columns


@dataclass
class Preparation:
    """Resolves one statement; `reads` are the tables that it reads, by the mark that their nodes carry."""

    catalog: Catalog
    dialect: str
    reads: dict[str, tuple[exp.Table, Known]] = field(default_factory=dict)
    _leaves: dict[str, exp.Expr] = field(default_factory=dict)
    _columns: dict[str, dict[str, str]] = field(default_factory=dict)
    _recursions: int = 0

    def query(self, node: exp.Expr, env: Env) -> Prepared:
        """The prepared form of a query that reads nothing around it. Takes the node apart."""
        env = self._bind(node, env)
        if isinstance(node, exp.Subquery) and not _ordered(node) and not node.args.get("joins"):
            return self.query(node.this, env)
        if isinstance(node, exp.Paren):
            return self.query(node.this, env)
        if isinstance(node, exp.SetOperation) and not _ordered(node):
            return self._set_operation(node, env)
        if isinstance(node, exp.Pivot):
            node = spread(node, node.this, self._columns_of(node.this, env))
        elif isinstance(node, exp.Values):
            node = exp.select("*").from_(_named_values(node))
        elif not isinstance(node, exp.Select):
            node = _as_select(node)
        return self._select(node, env)

    def _bind(self, node: exp.Expr, env: Env) -> Env:
        clause = node.args.get("with_")
        if clause is None:
            return env
        clause.pop()
        env = dict(env)
        for cte in clause.expressions:
            name, columns = alias_names(cte)
            if clause.args.get("recursive") and recursion.reads_itself(cte):
                env[name.lower()] = (recursion.prepare(self, cte, env), [])
                continue
            env[name.lower()] = (self.query(cte.this, env), columns)
        return env

    def _set_operation(self, node: exp.SetOperation, env: Env) -> Prepared:
        sides = [self.query(side, env) for side in (node.this, node.expression)]
        if node.args.get("by_name"):
            sides = [
                Prepared(side, sides[0].types | sides[1].types) for side in by_name(*(s.query for s in sides))
            ]
            node.set("by_name", None)
        names = output_names(sides[0].query)
        if len(names) != len(output_names(sides[1].query)):
            raise Untraceable("the sides of a set operation have different numbers of columns")
        node.set("this", sides[0].query)
        node.set("expression", sides[1].query)
        types = [
            a if a == b else ""
            for a, b in zip(sides[0].types.values(), sides[1].types.values(), strict=False)
        ]
        return Prepared(node, dict(zip(names, types, strict=False)))

    def _select(self, node: exp.Select, env: Env) -> Prepared:
        holder = exp.Paren(this=node)
        flatten(node)
        note_asof(node)
        self._replace_leaves(node, env)
        schema = MappingSchema(
            {name: self._columns[name] for name in self._placed(holder)},
            dialect=self.dialect,
            normalize=False,
        )
        try:
            done = qualify(
                holder.this,
                dialect=self.dialect,
                schema=schema,
                quote_identifiers=False,
                identify=False,
                validate_qualify_columns=True,
            )
        except SqlglotError as error:
            raise Untraceable(f"a name could not be resolved: {str(error).splitlines()[0]}") from error
        for select in list(done.find_all(exp.Select)):
            nest(select)
        merge_leftovers(done, self._columns)
        _check_names(done)
        for select in list(done.find_all(exp.Select)):
            unique_names(select)
            group_by_all(select)
            own_functions.note_grouped(select)
            joined_subset(select)
            nearest(select, self._columns)
        types = _types(done, schema, self.dialect)
        _forget_notes(done)
        holder = exp.Paren(this=done)
        made: dict[str, exp.Expr] = {}  # an alias that the resolver wrote out twice is one read
        for table in list(holder.find_all(exp.Table)):
            if table.name in self._leaves:
                if table.name not in made:
                    made[table.name] = self._substitute(table)
                table.replace(made[table.name].copy())
        return Prepared(holder.this, types)

    def _placed(self, node: exp.Expr) -> set[str]:
        return {table.name for table in node.find_all(exp.Table) if table.name in self._columns}

    def _replace_leaves(self, node: exp.Expr, env: Env) -> None:
        """Put a table of known columns where FROM reads a table, a CTE, or a query that stands alone."""
        if isinstance(node, (exp.Table, exp.Subquery)) and node.args.get("pivots"):
            node = self._spread(node, env)
        if isinstance(node, exp.Table):
            self._place_table(node, env)
            return
        derived = isinstance(node, exp.Subquery) and isinstance(node.parent, (exp.From, exp.Join))
        if isinstance(node, exp.Subquery) and derived and self._place_derived(node, env):
            return
        if isinstance(node, exp.Values) and isinstance(node.parent, (exp.From, exp.Join)):
            node.replace(_named_values(node))
            return
        if isinstance(node, (*QUERIES, exp.Subquery)):
            env = self._bind(node, env)
        for child in list(node.iter_expressions()):
            self._replace_leaves(child, env)

    def _spread(self, node: exp.Expr, env: Env) -> exp.Expr:
        """A source that is pivoted, as the derived table that it stands for."""
        pivots = node.args["pivots"]
        if len(pivots) != 1:
            raise Untraceable("several PIVOTs of one source are not traced")
        source = node.copy()
        source.set("pivots", None)
        name = pivots[0].args.get("alias") or exp.TableAlias(this=exp.to_identifier("__pivot"))
        made = exp.Subquery(this=spread(pivots[0], source, self._columns_of(source, env)), alias=name.copy())
        node.replace(made)
        return made

    def _columns_of(self, source: exp.Expr, env: Env) -> list[str]:
        if isinstance(source, exp.Subquery):
            return output_names(self.query(source.this.copy(), env).query)
        if not isinstance(source, exp.Table):
            raise Untraceable(f"PIVOT of {source.key.upper()} is not traced")
        parts = table_parts(source, self.dialect)
        if len(parts) == 1 and parts[0].lower() in env:
            prepared, named = env[parts[0].lower()]
            return named or output_names(prepared.query)
        return list(self._known(parts).columns)

    def _place_table(self, node: exp.Table, env: Env) -> None:
        if node.args.get("rows_from"):
            raise Untraceable("ROWS FROM is not traced")
        alias, columns = alias_names(node)
        if isinstance(node.this, exp.Func):
            self._place(node, node.copy(), alias, _function_columns(node))
            return
        parts = table_parts(node, self.dialect)
        if len(parts) == 1 and parts[0].lower() in env:
            prepared, named = env[parts[0].lower()]
            query = prepared.query.copy()
            if isinstance(query, exp.Table):  # a recursive CTE reads itself
                self._place(node, query, alias or parts[0], prepared.types)
                return
            self._place(
                node, exp.Subquery(this=query), alias or parts[0],
                _renamed(query, prepared.types, columns or named),
            )  # fmt: skip
            return
        known = self._known(parts)
        if columns:
            raise Untraceable(f"{'.'.join(parts)} is read under other column names")
        self._place(
            node,
            node,
            alias or parts[-1],
            {self._folded(name): kind for name, kind in known.columns.items()},
        )

    def _known(self, parts: tuple[str, ...]) -> Known:
        known = self.catalog.find(parts)
        if known is None:
            raise Untraceable(f"the columns of {'.'.join(parts)} are not known")
        return known

    def _folded(self, name: str) -> str:
        """A column's name as the resolver writes it: only one of mixed case is taken as it stands."""
        identifier = exp.to_identifier(name, quoted=is_mixed(name))
        return Dialect.get_or_raise(self.dialect).normalize_identifier(identifier).name

    def _place_derived(self, node: exp.Subquery, env: Env) -> bool:
        alias, columns = alias_names(node)
        try:
            prepared = self.query(node.this.copy(), env)
        except Untraceable:
            if node.find_ancestor(*QUERIES, exp.Lateral) is None or _outermost(node):
                raise
            return False  # it may read names of the query around it: left in place
        query = prepared.query
        self._place(node, exp.Subquery(this=query), alias, _renamed(query, prepared.types, columns))
        return True

    def _place(self, node: exp.Expr, leaf: exp.Expr, alias: str, columns: dict[str, str]) -> None:
        name = f"__leaf{len(self._leaves)}"
        if len(self._leaves) > MOST_READS:
            raise Untraceable(f"more than {MOST_READS} reads of relations, with CTEs written out")
        self._leaves[name] = leaf.copy()
        self._columns[name] = {column: kind or "unknown" for column, kind in columns.items()}
        table = exp.Table(this=exp.to_identifier(name, quoted=True))
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias or name, quoted=_quoted(node))))
        node.replace(table)

    def own_name(self) -> exp.Identifier:
        """A name for a recursive CTE, that no other has."""
        self._recursions += 1
        return exp.to_identifier(f"{_ITSELF}{self._recursions}", quoted=True)

    def _substitute(self, table: exp.Table) -> exp.Expr:
        """What a placeholder stands for, with marks of its own on every table in it."""
        leaf = self._leaves[table.name].copy()
        alias = table.args["alias"].copy()
        if isinstance(leaf, exp.Table) and leaf.name.startswith(_ITSELF):
            leaf.set("alias", alias)
            return leaf
        if isinstance(leaf, exp.Table) and not isinstance(leaf.this, exp.Func):
            found = self._known(table_parts(leaf, self.dialect))
            leaf.set("alias", None)
            made = exp.Table(this=exp.to_identifier("read"), alias=alias)
            self._mark(made, leaf, found)
            return made
        for read in leaf.find_all(exp.Table):
            if "read" in read.meta:
                self._mark(read, *self.reads[read.meta["read"]])
        if isinstance(leaf, exp.Subquery):
            leaf.meta["shared"] = True
        if isinstance(leaf, exp.Table):
            alias.set("columns", [exp.to_identifier(name) for name in self._columns[table.name]])
        leaf.set("alias", alias)
        return leaf

    def _mark(self, node: exp.Table, table: exp.Table, known: Known) -> None:
        mark = f"__read{len(self.reads)}"
        self.reads[mark] = (table, known)
        node.meta["read"] = mark
        node.set("this", exp.to_identifier(mark))


def _quoted(node: exp.Expr) -> bool:
    alias = node.args.get("alias")
    name = alias.this if isinstance(alias, exp.TableAlias) else node.args.get("this")
    return bool(isinstance(name, exp.Identifier) and name.args.get("quoted"))


def _ordered(node: exp.Expr) -> bool:
    return any(node.args.get(name) for name in ("order", "limit", "offset", "fetch"))


def _as_select(node: exp.Expr) -> exp.Select:
    """A set operation, or a query in parentheses, with ORDER BY and LIMIT: a SELECT over it has the same rows."""
    if not isinstance(node, (exp.SetOperation, exp.Subquery)):
        raise Untraceable(f"{node.key.upper()} is not a query whose records are traced")
    outer = exp.Select(expressions=[exp.Star()])
    for name in ("order", "limit", "offset", "fetch"):
        if node.args.get(name):
            outer.set(name, node.args[name].pop())
    inner = exp.Subquery(this=node if isinstance(node, exp.SetOperation) else node.this)
    inner.set("alias", exp.TableAlias(this=exp.to_identifier("__whole")))
    return outer.from_(inner, copy=False)


def _named_values(node: exp.Values) -> exp.Values:
    """VALUES whose columns have names (DuckDB's own, where the text gives none)."""
    node = node.copy()
    alias, columns = alias_names(node)
    if not columns:
        first = node.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        columns = [f"col{place}" for place in range(width)]
    node.set(
        "alias",
        exp.TableAlias(
            this=exp.to_identifier(alias or "__values"), columns=[exp.to_identifier(name) for name in columns]
        ),
    )
    return node


def _function_columns(node: exp.Table) -> dict[str, str]:
    columns = alias_names(node)[1]
    if not columns:
        raise Untraceable(f"the columns of {node.this.sql()[:60]} have no names: write them after its alias")
    return dict.fromkeys(columns, "")


def _renamed(query: exp.Expr, types: dict[str, str], columns: list[str]) -> dict[str, str]:
    """The columns of a derived table, renamed in the query itself where its alias has a column list."""
    if columns:
        select = query
        while not isinstance(select, exp.Select):
            select = select.this
        for place, name in enumerate(columns[: len(select.expressions)]):
            old = select.expressions[place]
            order = select.args.get("order")
            if order is not None and old.alias_or_name != name:
                raise Untraceable("a derived table with ORDER BY is read under other column names")
            select.expressions[place].replace(exp.alias_(old.unalias(), name.lower()))
    return dict(zip(output_names(query), types.values(), strict=False))


def _outermost(node: exp.Expr) -> bool:
    """Whether the query that reads this derived table is not inside another."""
    reader = node.find_ancestor(*QUERIES)
    return reader is None or reader.find_ancestor(*QUERIES) is None


def _check_names(query: exp.Expr) -> None:
    """Whole rows as values, and what the resolver left alone."""
    for star in query.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            raise Untraceable("a * that could not be written out")
    for row in query.find_all(exp.TableColumn):
        raise Untraceable(f"{row.name} is read as a whole row")
    for select in query.find_all(exp.Select):
        names = {table.alias_or_name for table in select.find_all(exp.Table)}
        for column in select.find_all(exp.Column):
            if not column.table and column.name in names:
                raise Untraceable(f"{column.name} is read as a whole row")


def _forget_notes(query: exp.Expr) -> None:
    """Drop what the parser and the resolver noted on every node (positions, types): copies would copy it all."""
    for node in query.walk():
        node._meta = {key: value for key, value in node._meta.items() if key in _OWN} if node._meta else None
        node.type = None


_OWN = ("read", "shared", "grouped", own_functions.NOTE, *NOTES)
_ITSELF = "__recursive"


def _types(query: exp.Expr, schema: MappingSchema, dialect: str) -> dict[str, str]:
    """Types as far as they can be told: a NULL that stands beside other rows needs one on PostgreSQL."""
    names = output_names(query)
    try:
        typed = annotate_types(query.copy(), schema=schema, dialect=dialect)
    except Exception:  # a type is a convenience: without one, the NULL stays bare
        return dict.fromkeys(names, "")
    while not isinstance(typed, exp.Select):
        typed = typed.this
    return {
        name: column.type.sql(dialect)
        if column.type is not None and not column.is_type("unknown", "null")
        else ""
        for name, column in zip(names, typed.expressions, strict=True)
    }
