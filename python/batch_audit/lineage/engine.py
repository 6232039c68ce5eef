"""`column_lineage`: parse, read statement by statement, and put the answer together."""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from batch_audit.lineage.answer import Answer
from batch_audit.lineage.flows import NOTHING, Flows
from batch_audit.lineage.reader import Reader
from batch_audit.lineage.relations import Column, Relation
from batch_audit.lineage.result import ColumnLineage
from batch_audit.lineage.schema import Columns, Schema
from batch_audit.lineage.scope import Env
from batch_audit.lineage.statements import Written, read_statement
from batch_audit.lineage.tree import table_parts


def column_lineage(
    sql: str,
    *,
    dialect: str | None = None,
    schema: Mapping[str, Columns] | Schema | None = None,
    target: str | None = None,
    intermediate: bool = False,
) -> ColumnLineage:
    """The lineage of every output column of a query or script.

    `schema` maps a relation's name (one to three dotted parts) to its columns: names, or name to type;
    a `Schema` of it is made once for many calls, and is not changed by them.
    `target` names the relation that a bare query fills. A relation that one statement makes and a later one
    reads is read through; `intermediate` gives its own edges, too. Nothing is raised for bad SQL: what
    cannot be parsed or resolved is in `unknown`, with the reason.
    """
    answer = Answer(dialect)
    try:
        read_as = sqlglot.Dialect.get_or_raise(dialect)
        statements = sqlglot.parse(sql, read=read_as)
    except RecursionError:
        answer.gap("the SQL is nested too deeply to be parsed", sql)
        return answer.result()
    except Exception as error:  # a parser's own failure must not stop a project's run
        answer.gap(f"the SQL could not be parsed: {_first_line(error)}", sql)
        return answer.result()
    script = _Script(Reader(Schema.of(schema), (dialect or "").lower()), answer, target or "")
    for statement in statements:
        if statement is not None:
            script.read(statement)
    script.finish(intermediate)
    return answer.result()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class _Script:
    """The relations that statements have made so far, and what they wrote."""

    def __init__(self, reader: Reader, answer: Answer, target: str) -> None:
        self.reader, self.answer, self.target = reader, answer, target
        self.made: Env = {}
        self.spent: set[str] = set()  # made here, read by a later statement
        self.written: list[tuple[str, str, Written]] = []

    def read(self, statement: exp.Expr) -> None:
        """Read one statement; whatever goes wrong inside is a gap of this statement alone."""
        try:
            if isinstance(statement, exp.Command):
                self.answer.gap(f"the statement {statement.name.upper()} is not understood", statement)
                return
            if isinstance(statement, exp.Alter):
                self._rename(statement)
                return
            for written in read_statement(self.reader, statement, self.made):
                self._note_reads(statement)
                self._keep(written)
        except RecursionError:
            self.answer.gap("the statement is nested too deeply to be read", statement)
        except Exception as error:  # an unforeseen shape of SQL must not stop a project's run
            self.answer.gap(
                f"the statement could not be read: {type(error).__name__}: {_first_line(error)}", statement
            )

    def _note_reads(self, statement: exp.Expr) -> None:
        if self.made:
            goal = statement.find(exp.Table) if isinstance(statement, (exp.Create, exp.Insert)) else None
            for table in statement.find_all(exp.Table):
                name = ".".join(table_parts(table, self.reader.dialect_name)).lower()
                if table is not goal and name in self.made:
                    self.spent.add(name)

    def _keep(self, written: Written) -> None:
        name = ".".join(written.target) or self.target
        key = name.lower()
        if written.positional and not written.names and not written.replaces and key in self.made:
            written.names = [column.name for column in self.made[key].columns() if column.name != "*"]
        self.written.append((key, name, written))
        columns = self.answer.target_columns(
            written, self.reader.schema.columns(written.target or (self.target,))
        )
        relation = Relation(
            [column.named(label) for label, column in columns], written.relation.dataset, name
        )
        if written.replaces and written.target:
            self.made[key] = relation
            self.spent.discard(key)
        elif key in self.made:
            self.made[key] = _added(self.made[key], relation)

    def _rename(self, statement: exp.Alter) -> None:
        for action in statement.args.get("actions") or ():
            if isinstance(action, exp.AlterRename) and isinstance(statement.this, exp.Table):
                old = ".".join(table_parts(statement.this, self.reader.dialect_name)).lower()
                parts = list(table_parts(action.this, self.reader.dialect_name))
                parts = parts if len(parts) > 1 else [*old.split(".")[:-1], *parts]
                if old in self.made:
                    self.made[".".join(parts).lower()] = self.made.pop(old)
                    new = ".".join(parts)
                    self.written = [
                        (new.lower(), new, w) if k == old else (k, n, w) for k, n, w in self.written
                    ]

    def finish(self, intermediate: bool) -> None:
        """Answer with what was written, apart from what only served a later statement."""
        for key, name, written in self.written:
            if intermediate or key not in self.spent:
                self.answer.add(
                    name, written, self.reader.schema.columns(tuple(name.split("."))) if name else None
                )


def _added(before: Relation, after: Relation) -> Relation:
    """A relation after more rows or new values came into its columns."""
    more: dict[str, Flows] = {}
    for column in after.columns():
        key = column.name.lower()
        more[key] = more.get(key, NOTHING) | column.flows
    outputs = [
        Column(column.name, column.flows | more[key], column.node)
        if (key := column.name.lower()) in more
        else column
        for column in before.columns()
    ]
    return Relation(outputs, {**before.dataset, **after.dataset}, before.label)
