"""What the demo must record, computed from its CSV drops alone: no SQL, no dbt, none of the project's own code.

A state is `{record id: {column: canonical text or None}}`; canonical text follows docs/reference/store.md.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

Row = dict[str, str | None]
State = dict[str, Row]
# customers has audit_ignore: [drop_date]; its value is stored with a change, but does not make one.
IGNORED = frozenset({"drop_date"})
KNOWN_METHODS = {"card", "bank_transfer", "paypal", "gift_card"}


@dataclass(frozen=True)
class Change:
    """One changed record: `fields` are the columns that differ; `old` or `new` is None if there is no such state."""

    kind: str
    fields: frozenset[str]
    old: Row | None
    new: Row | None


def read_drop(drop: Path, name: str) -> list[Row]:
    """The rows of one CSV file; an empty field is NULL."""
    with (drop / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return [{column: value or None for column, value in row.items()} for row in csv.DictReader(lines)]


def decimal_text(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def money(row: Row, column: str = "amount") -> Decimal:
    value = row[column]
    assert value is not None
    return Decimal(value)


def customers(drop: Path) -> State:
    consent = {"yes": "true", "no": "false", None: None}
    return {
        str(row["customer_id"]): {
            **row,
            "email": row["email"].lower() if row["email"] else None,
            "marketing_consent": consent[row["marketing_consent"]],
            "drop_date": drop.name,
        }
        for row in read_drop(drop, "customers")
    }


def payments(drop: Path) -> State:
    return {
        str(row["payment_id"]): {
            **row,
            "method": str(row["method"]).strip().lower(),
            "amount": decimal_text(money(row)),
        }
        for row in read_drop(drop, "payments")
    }


def reject_reason(order: Row, known: State) -> str | None:
    if money(order) < 0:
        return "negative amount"
    if order["customer_id"] is None:
        return "no customer"
    return None if order["customer_id"] in known else "unknown customer"


def timestamp_text(text: str | None) -> str:
    assert text is not None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").strftime("%Y-%m-%dT%H:%M:%S.%f")


def split_orders(drop: Path) -> tuple[State, State]:
    """Accepted and rejected orders, each with the columns of its table."""
    known, of_order = customers(drop), defaultdict(list)
    for payment in payments(drop).values():
        of_order[payment["order_id"]].append(payment)
    accepted: State = {}
    rejected: State = {}
    for order in read_drop(drop, "orders"):
        reason, key = reject_reason(order, known), str(order["order_id"])
        common = {column: order[column] for column in ("order_id", "customer_id", "status")}
        common |= {"ordered_at": timestamp_text(order["ordered_at"]), "amount": decimal_text(money(order))}
        if reason:
            rejected[key] = {**common, "reject_reason": reason}
            continue
        paid = of_order[order["order_id"]]
        accepted[key] = {
            **common,
            "paid_amount": decimal_text(sum((money(payment) for payment in paid), Decimal(0))),
            "payment_count": str(len(paid)),
            "payment_methods": ", ".join(sorted({str(payment["method"]) for payment in paid})) or None,
            "note": order["note"],
        }
    return accepted, rejected


def customer_revenue(orders: State) -> State:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for order in orders.values():
        if order["status"] not in ("cancelled", "returned"):
            groups[str(order["customer_id"]), f"{str(order['ordered_at'])[:7]}-01"].append(order)
    return {
        f"{customer}|{month}": {
            "customer_id": customer,
            "order_month": month,
            "order_count": str(len(group)),
            "revenue": decimal_text(sum((money(order) for order in group), Decimal(0))),
            "open_balance": decimal_text(
                sum((money(order) - money(order, "paid_amount") for order in group), Decimal(0))
            ),
        }
        for (customer, month), group in groups.items()
    }


def edges(drop: Path, model: str) -> set[tuple[str, str, str]]:
    """Record, source and source record of everything that the records of `orders` or `customer_revenue` are made of."""
    accepted, _ = split_orders(drop)
    if model == "customer_revenue":
        return {
            (f"{order['customer_id']}|{str(order['ordered_at'])[:7]}-01", "orders", key)
            for key, order in accepted.items()
            if order["status"] not in ("cancelled", "returned")
        }
    found = {(key, "raw.orders", key) for key in accepted}
    found |= {(key, "raw.customers", str(order["customer_id"])) for key, order in accepted.items()}
    paid = ((str(row["order_id"]), str(row["payment_id"])) for row in read_drop(drop, "payments"))
    return found | {(order, "raw.payments", payment) for order, payment in paid if order in accepted}


def tables(drop: Path) -> dict[str, State]:
    """Every captured table after a build over this drop, by model name, without the columns that capture ignores."""
    accepted, rejected = split_orders(drop)
    return {
        "customers": customers(drop),
        "customers_history": customers(drop),
        "orders": accepted,
        "payments": payments(drop),
        "rejected_orders": rejected,
        "customer_revenue": customer_revenue(accepted),
    }


def changes(before: State, after: State, ignored: frozenset[str] = frozenset()) -> dict[str, Change]:
    """Every record that differs between two states in a column that counts, by record id."""
    found = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            found[key] = Change("delete" if new is None else "insert", frozenset(), old, new)
            continue
        fields = frozenset(column for column in old if old[column] != new[column]) - ignored
        if fields:
            found[key] = Change("update", fields, old, new)
    return found


def escaped(text: str) -> str:
    return text.replace("~", "~0").replace("|", "~1")


def record_hash(node: str, row: Row | None) -> str | None:
    """SHA-256 of the record text (docs/reference/store.md) over the columns that count."""
    if row is None:
        return None
    fields = sorted((name, value) for name, value in row.items() if value is not None and name not in IGNORED)
    text = "|".join(["v1", node, *(f"{name}={escaped(value)}" for name, value in fields)])
    return hashlib.sha256(text.encode()).hexdigest()


def hashes(node: str, change: Change) -> tuple[str | None, str | None]:
    """Old and new record hash of a change."""
    return record_hash(node, change.old), record_hash(node, change.new)


def bad_payments(drop: Path) -> set[str]:
    """Ids of the payments whose method the data test does not accept."""
    return {key for key, row in payments(drop).items() if row["method"] not in KNOWN_METHODS}
