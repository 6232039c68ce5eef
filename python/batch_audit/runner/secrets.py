"""Removes secrets from text that is stored: command lines and error messages."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
"""What stands in place of a secret."""

# The same words as in the macros, which hide dbt variables by name.
_SENSITIVE = r"(?:pass|secret|token|credential|private|api[_-]?key|access[_-]?key|pwd)"
_SECRET_NAME = re.compile(_SENSITIVE, re.IGNORECASE)
_NAME = rf"[\w-]*{_SENSITIVE}[\w-]*"
_QUOTED = r"\"[^\"]*\"|'[^']*'"


def _named(before: str, after: str, bare: str) -> re.Pattern[str]:
    """A secret's name, what stands between it and its value, and the value, quoted or bare."""
    return re.compile(rf"((?<![\w-]){before}{_NAME}{after})({_QUOTED}|{bare})", re.IGNORECASE)


_NAMED = (
    _named("-{0,2}", r"\s*=\s*", r"[^\s;&|)'\"]+"),  # NAME=value, --name=value
    _named("--", r"\s+", r"[^\s;&|)'\"-][^\s;&|)'\"]*"),  # --name value
    _named("[\"']?", r"[\"']?\s*:\s*", r"[^\s,;}'\"]+"),  # YAML and JSON
)
# scheme://user:password@host
_IN_URL = re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/@'\"]+@")
# tokens with a public prefix: GitHub, GitLab, Slack, AWS, Google, JSON Web Tokens
_TOKEN = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values that must never be stored: dbt's DBT_ENV_SECRET… variables and those whose name says so.

    Values under six characters are left out: hiding them would tear up ordinary words.
    """
    values = {
        value
        for name, value in environment.items()
        if len(value) >= 6 and (name.startswith("DBT_ENV_SECRET") or _SECRET_NAME.search(name))
    }
    return tuple(sorted(values, key=len, reverse=True))


def hide_known(text: str, values: Sequence[str] = ()) -> str:
    """`text` without the given values, passwords in URLs and tokens of a known shape (for messages)."""
    for value in values:
        text = text.replace(value, HIDDEN)
    return _TOKEN.sub(HIDDEN, _IN_URL.sub(rf"\1:{HIDDEN}@", text))


def hide(text: str, values: Sequence[str] = ()) -> str:
    """`text` without known secrets and without the values of names that sound like secrets (for commands)."""
    text = hide_known(text, values)
    for pattern in _NAMED:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def command_text(command: Sequence[str], values: Sequence[str] = ()) -> str:
    """The command as one shell line, with secrets removed.

    dbt's `--vars` are read as YAML, and the values of names that sound like secrets are hidden at any depth; vars
    that cannot be read are hidden whole.
    """
    words, hide_next, vars_next = [], False, False
    for word in command:
        if hide_next:
            words.append(HIDDEN)
        elif vars_next:
            words.append(vars_text(word, values))
        elif word.startswith("--vars="):
            words.append("--vars=" + vars_text(word.removeprefix("--vars="), values))
        else:
            words.append(hide(word, values))
        hide_next = not (hide_next or vars_next) and _is_secret_option(word)
        vars_next = word == "--vars" and not vars_next
    return shlex.join(words).replace(f"'{HIDDEN}'", HIDDEN)


def _is_secret_option(word: str) -> bool:
    return word.startswith("--") and "=" not in word and _SECRET_NAME.search(word) is not None


def vars_text(text: str, values: Sequence[str] = ()) -> str:
    """The value of `--vars` with the values of names that sound like secrets hidden."""
    import yaml

    try:
        variables = yaml.safe_load(text)
    except yaml.YAMLError:
        return HIDDEN
    if not isinstance(variables, dict):
        return HIDDEN if variables else text
    hidden = without_secrets(variables)
    shown = text if hidden == variables else json.dumps(hidden, ensure_ascii=False, default=str)
    return hide(shown, values) if hidden == variables else hide_known(shown, values)


def without_secrets(value: Any) -> Any:
    """A nested value with the values of names that sound like secrets replaced, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if _SECRET_NAME.search(str(name)) else without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
