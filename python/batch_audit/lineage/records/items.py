"""What FROM reads, in both forms."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.catalog import is_mixed
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.rows import Carried, Item, column
from batch_audit.lineage.tree import alias_names

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter


def item(rewriter: "Rewriter", node: exp.Expr) -> Item:
    """A table by its key, a derived table by the identity of its rows, anything else by its columns."""
    if isinstance(node, exp.Table) and "read" in node.meta:
        return _table(rewriter, node)
    if isinstance(node, exp.Subquery):
        return _derived(rewriter, node, node.this)
    if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
        return _derived(rewriter, node, node.this.this)
    if isinstance(node, (exp.Values, exp.Unnest, exp.Lateral, exp.Table)):
        name, columns = alias_names(node)
        ids: list[exp.Expr] = [exp.column(one, name) for one in columns]
        return Item(node, node, ids, [""] * len(ids), [], False, False)
    raise Untraceable(f"{node.key.upper()} in FROM is not traced")


def key_of(rewriter: "Rewriter", mark: str) -> tuple[tuple[str, ...], list[str]]:
    """The columns that tell a table's rows apart (all of them, without a key), and their types."""
    known = rewriter.reads[mark][1]
    names = known.key or tuple(known.columns)
    return names, [known.columns[name] for name in names]


def _table(rewriter: "Rewriter", node: exp.Table) -> Item:
    mark = node.meta["read"]
    names, types = key_of(rewriter, mark)
    table = node.args["alias"].this
    keys: list[exp.Expr] = [
        exp.Column(this=exp.to_identifier(name, quoted=_must_quote(name)), table=table.copy())
        for name in names
    ]
    active = mark in rewriter.active
    prov = [(mark, [key.copy() for key in keys], types)] if active else []
    return Item(node, node, keys, list(types), prov, False, active and bool(rewriter.reads[mark][1].key))


def _must_quote(name: str) -> bool:
    return is_mixed(name) or not exp.SAFE_IDENTIFIER_RE.match(name)


def _derived(rewriter: "Rewriter", node: exp.Expr, query: exp.Expr) -> Item:
    rows = rewriter.rows(query)
    name = node.alias_or_name
    forms = []
    for form in (rows.plain, rows.traced if rows.prov else rows.plain):
        made: exp.Expr = exp.Subquery(this=form)
        if isinstance(node, exp.Lateral):
            made = exp.Lateral(this=made)
        made.set("alias", node.args["alias"].copy())
        made.meta["shared"] = isinstance(node, exp.Subquery) and form is rows.plain
        forms.append(made)
    ids: list[exp.Expr] = [column(one, name) for one in rows.ids]
    prov: Carried = [(one.mark, [column(key, name) for key in one.columns], one.types) for one in rows.prov]
    return Item(forms[0], forms[1], ids, rows.id_types, prov, rows.multiplied, rows.fine)
