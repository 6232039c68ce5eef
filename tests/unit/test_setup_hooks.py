"""The capture hook is added to any dbt_project.yml without touching a line that is not ours."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_audit.errors import ConfigurationError
from batch_audit.setup.hooks import CAPTURE, CAPTURE_HOOK, COPY, COPY_HOOK, add_hook

OURS = f'"{CAPTURE_HOOK}"'


def added(text: str) -> str:
    return add_hook(text, "dbt_project.yml")


def without_ours(values: dict[str, Any]) -> dict[str, Any]:
    """A project's values with every post-hook of all models as a list, ours taken out and empty lists left out."""
    models = dict(values.get("models") or {})
    for key in [key for key in models if key.lstrip("+") in ("post-hook", "post_hook")]:
        hooks = models.pop(key)
        listed = hooks if isinstance(hooks, list) else [] if hooks is None else [hooks]
        if kept := [
            hook.rstrip() if isinstance(hook, str) else hook for hook in listed if hook != CAPTURE_HOOK
        ]:
            models[key] = kept
    return {**values, "models": models}


# Name, file before, file after.
EDITS = {
    "no models section": (
        "name: shop\nvars: {a: 1}  # last\n",
        f"name: shop\nvars: {{a: 1}}  # last\n\nmodels:\n  +post-hook: {OURS}\n",
    ),
    "no line end at the end": ("name: shop", f"name: shop\n\nmodels:\n  +post-hook: {OURS}\n"),
    "one blank line is enough": ("name: shop\n\n", f"name: shop\n\nmodels:\n  +post-hook: {OURS}\n"),
    "a document end marker": ("name: shop\n...\n", f"name: shop\n\nmodels:\n  +post-hook: {OURS}\n...\n"),
    "a document start marker": (
        "---\n# a project\nname: shop\nmodels:\n  shop: {+enabled: true}\n",
        f"---\n# a project\nname: shop\nmodels:\n  +post-hook: {OURS}\n  shop: {{+enabled: true}}\n",
    ),
    "comments between keys": (
        "name: shop\n\n# about models\nmodels:   # all\n"
        "  # about shop\n  shop:\n    +tags: [a]  # one\n# end\nseeds: {}\n",
        "name: shop\n\n# about models\nmodels:   # all\n"
        f"  +post-hook: {OURS}\n"
        "  # about shop\n  shop:\n    +tags: [a]  # one\n# end\nseeds: {}\n",
    ),
    "indented by four": (
        "models:\n    shop:\n        +materialized: table\n",
        f"models:\n    +post-hook: {OURS}\n    shop:\n        +materialized: table\n",
    ),
    "windows line ends": (
        "name: shop\r\nmodels:\r\n  shop:\r\n    +materialized: view # v\r\n",
        f"name: shop\r\nmodels:\r\n  +post-hook: {OURS}\r\n  shop:\r\n    +materialized: view # v\r\n",
    ),
    "a byte order mark": (
        "\ufeffmodels:\n  shop: {+enabled: true}\n",
        f"\ufeffmodels:\n  +post-hook: {OURS}\n  shop: {{+enabled: true}}\n",
    ),
    "an empty section": ("models:\nvars: {}\n", f"models:\n  +post-hook: {OURS}\nvars: {{}}\n"),
    "an empty section with a comment": (
        "models: # none yet\nvars: {}\n",
        f"models: # none yet\n  +post-hook: {OURS}\nvars: {{}}\n",
    ),
    "an explicit null": ("models: ~ # none\n", f"models: # none\n  +post-hook: {OURS}\n"),
    "an empty flow mapping": ("models: {}\n", f"models: {{+post-hook: {OURS}}}\n"),
    "a flow mapping": (
        "models: {shop: {+tags: [a]}}\n",
        f"models: {{+post-hook: {OURS}, shop: {{+tags: [a]}}}}\n",
    ),
    "the whole file in flow style": (
        '{"name": "shop", "version": "1"}\n',
        f'{{"name": "shop", "version": "1", models: {{+post-hook: {OURS}}}}}\n',
    ),
    "one hook": (
        "models:\n  +post-hook: 'grant select on {{ this }} to bi'  # why\n  shop: {+tags: a}\n",
        "models:\n  +post-hook:\n    - 'grant select on {{ this }} to bi'  # why\n"
        f"    - {OURS}\n  shop: {{+tags: a}}\n",
    ),
    "a plain hook over two lines": (
        "models:\n  post_hook: grant select, insert\n    on {{ this }} to bi\n  shop: {+tags: a}\n",
        "models:\n  post_hook:\n    - grant select, insert\n      on {{ this }} to bi\n"
        f"    - {OURS}\n  shop: {{+tags: a}}\n",
    ),
    "a folded hook": (
        "models:\n  +post-hook: >-\n    grant select\n\n    on {{ this }}\n\n\n# tail\nvars: {}\n",
        "models:\n  +post-hook:\n    - >-\n      grant select\n\n      on {{ this }}\n"
        f"    - {OURS}\n\n\n# tail\nvars: {{}}\n",
    ),
    "a literal hook that keeps its blank lines": (
        "models:\n  +post-hook: |+\n    a\n\n  shop: {+tags: a}\n",
        f"models:\n  +post-hook:\n    - |+\n      a\n\n    - {OURS}\n  shop: {{+tags: a}}\n",
    ),
    "a literal hook with an indentation indicator": (
        "models:\n  +post-hook: |2\n      a\n    b\n",
        f"models:\n  +post-hook:\n    - |2\n        a\n      b\n    - {OURS}\n",
    ),
    "a hook on the next line": (
        'models:\n  +post-hook:\n    "a\n     b"\n',
        f'models:\n  +post-hook:\n    - "a\n       b"\n    - {OURS}\n',
    ),
    "a hook with settings": (
        "models:\n  +post-hook:\n    sql: vacuum {{ this }}\n    # after commit\n    transaction: false\n"
        "  shop: {+tags: a}\n",
        "models:\n  +post-hook:\n    - sql: vacuum {{ this }}\n      # after commit\n      transaction: false\n"
        f"    - {OURS}\n  shop: {{+tags: a}}\n",
    ),
    "a hook with settings in flow style": (
        "models:\n  +post_hook: {sql: vacuum, transaction: false}\n",
        f"models:\n  +post_hook:\n    - {{sql: vacuum, transaction: false}}\n    - {OURS}\n",
    ),
    "a list": (
        "models:\n  post-hook:\n    - a  # first\n    - |\n      b\n    # after\n\n  shop: {+tags: a}\n",
        "models:\n  post-hook:\n    - a  # first\n    - |\n      b\n"
        f"    - {OURS}\n    # after\n\n  shop: {{+tags: a}}\n",
    ),
    "a list at the key's own indentation": (
        "models:\n  +post-hook:\n  - a\n  -  b\nvars: {}\n",
        f"models:\n  +post-hook:\n  - a\n  -  b\n  - {OURS}\nvars: {{}}\n",
    ),
    "a list of hooks with settings": (
        "models:\n  +post-hook:\n    - sql: a\n      transaction: true",
        f"models:\n  +post-hook:\n    - sql: a\n      transaction: true\n    - {OURS}",
    ),
    "a flow list": (
        "models:\n  +post-hook: [ 'a', \"b\", ]  # two\n",
        f"models:\n  +post-hook: [ 'a', \"b\", {OURS}, ]  # two\n",
    ),
    "an empty flow list": ("models:\n  +post-hook: []\n", f"models:\n  +post-hook: [{OURS}]\n"),
    "a hook without a value": (
        "models:\n  +post-hook:\n  shop: {+tags: a}\n",
        f"models:\n  +post-hook: {OURS}\n  shop: {{+tags: a}}\n",
    ),
    "a hook in a flow mapping": (
        "models: {+post-hook: 'a', shop: {+tags: b}}\n",
        f"models: {{+post-hook: ['a', {OURS}], shop: {{+tags: b}}}}\n",
    ),
    "the spelling that dbt obeys": (
        "models:\n  post_hook: a\n  +post-hook: b\n",
        f"models:\n  post_hook:\n    - a\n    - {OURS}\n  +post-hook: b\n",
    ),
    "a folder that is called post-hook": (
        "models:\n  post-hook: {+tags: a}\n",
        f"models:\n  +post-hook: {OURS}\n  post-hook: {{+tags: a}}\n",
    ),
    "a deeper hook stays": (
        "models:\n  shop:\n    +post-hook: analyze {{ this }}\n",
        f"models:\n  +post-hook: {OURS}\n  shop:\n    +post-hook: analyze {{{{ this }}}}\n",
    ),
    "jinja in values": (
        "name: shop\nmodels:\n  shop:\n    +schema: \"{{ 'x' if target.name == 'p' else 'y' }}\"\n",
        f"name: shop\nmodels:\n  +post-hook: {OURS}\n  shop:\n"
        "    +schema: \"{{ 'x' if target.name == 'p' else 'y' }}\"\n",
    ),
    "anchors elsewhere": (
        "x: &tags [a]\nmodels:\n  shop:\n    +tags: *tags\nseeds:\n  +tags: *tags\n",
        f"x: &tags [a]\nmodels:\n  +post-hook: {OURS}\n  shop:\n    +tags: *tags\nseeds:\n  +tags: *tags\n",
    ),
    "characters outside of the first plane": (
        "name: shop # 😀\nmodels:\n  shop: {+tags: [größe, '😀']}\n",
        f"name: shop # 😀\nmodels:\n  +post-hook: {OURS}\n  shop: {{+tags: [größe, '😀']}}\n",
    ),
    "tabs in comments": (
        "name: shop #\ta\n#\tb\nmodels:\n  shop: {+tags: a} #\tc\n",
        f"name: shop #\ta\n#\tb\nmodels:\n  +post-hook: {OURS}\n  shop: {{+tags: a}} #\tc\n",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_hook_is_added_and_nothing_else_moves(name: str) -> None:
    before, after = EDITS[name]
    assert added(before) == after


def for_copies(text: str) -> str:
    """The same file with our pre-hook in place of our post-hook, and pre-hooks in place of post-hooks."""
    return (
        text.replace(CAPTURE_HOOK, COPY_HOOK)
        .replace("post-hook", "pre-hook")
        .replace("post_hook", "pre_hook")
    )


@pytest.mark.parametrize("name", EDITS)
def test_so_is_the_hook_that_copies(name: str) -> None:
    before, after = (for_copies(text) for text in EDITS[name])
    assert add_hook(before, "dbt_project.yml", COPY) == after
    assert add_hook(after, "dbt_project.yml", COPY) == after


def test_both_hooks_stand_beside_each_other() -> None:
    both = add_hook(added("name: shop\n"), "dbt_project.yml", COPY)
    assert yaml.safe_load(both)["models"] == {"+post-hook": CAPTURE_HOOK, "+pre-hook": COPY_HOOK}
    assert added(both) == both


@pytest.mark.parametrize("name", EDITS)
def test_a_second_edit_changes_nothing(name: str) -> None:
    after = EDITS[name][1]
    assert added(after) == after


@pytest.mark.parametrize("name", EDITS)
def test_dbts_own_parser_reads_the_hook_and_all_else_as_before(name: str) -> None:
    before, after = (yaml.safe_load(text) for text in EDITS[name])
    assert CAPTURE.stands_in(after["models"])
    assert without_ours(after) == without_ours(before)


def test_a_hook_that_somebody_moved_deeper_is_left_there() -> None:
    text = "models:\n  shop:\n    marts:\n      +post-hook: ['a', \"{{ batch_audit.capture() }}\"]\n"
    assert added(text) == text


def test_a_commented_hook_is_no_hook() -> None:
    text = f"models:\n  # +post-hook: {OURS}\n  shop: {{+tags: a}}\n"
    assert added(text).count("batch_audit.capture()") == 2


REFUSED = {
    "an alias as hook": ("x: &h [a]\nmodels:\n  +post-hook: *h\n", "is the alias `*h`"),
    "a shared section": ("models: &m\n  shop: {+tags: a}\nseeds: *m\n", "cannot be changed safely"),
    "a shared list": (
        "models:\n  +post-hook: &h [a]\nseeds:\n  +post-hook: *h\n",
        "cannot be changed safely",
    ),
    "merged entries": ("x: &h {+post-hook: a}\nmodels:\n  <<: *h\n", "takes entries from elsewhere"),
    "an alias as section": ("x: &m {shop: {+tags: a}}\nmodels: *m\n", "not a mapping written in this place"),
    "a list as section": ("models: [a]\n", "not a mapping written in this place"),
    "two sections": ("models: {a: {+tags: b}}\nmodels: {c: {+tags: d}}\n", "occurs twice"),
    "no mapping": ("- a\n", "no dbt project file"),
    "nothing": ("# empty\n", "no dbt project file"),
    "a tab": ("name: shop\nmodels:\n\tshop: 1\n", "dbt_project.yml, line 3, column 1"),
    "an open quote": ("name: 'shop\n", "cannot be read as YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2: a second YAML document"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_edited_safely_is_left_to_a_person_with_the_reason(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(ConfigurationError) as error:
        added(text)
    assert reason in str(error.value)
    assert "Nothing was changed" in str(error.value)


# Project files made of pieces that people write, in any combination.
_SCALARS = [
    "grant {{ this }}",
    "'a # b'",
    '"{{ x() }}"',
    ">-\n{pad}  a\n{pad}  b",
    "|\n{pad}  a\n\n{pad}   b",
]
_HOOKS = st.sampled_from(
    ["{key}: " + scalar for scalar in _SCALARS]
    + [
        "{key}:\n{pad}  - a # c\n{pad}  - {{sql: b, transaction: false}}",
        "{key}:\n{pad}- a\n{pad}# c\n{pad}- b",
    ]
    + [
        "{key}: [a, 'b' ] # c",
        "{key}: []",
        "{key}:",
        "{key}: ~",
        "{key}:\n{pad}  sql: a\n{pad}  transaction: true",
    ]
)
_KEYS = st.sampled_from(
    ["+post-hook", "post-hook", "+post_hook", "post_hook", "'+post-hook'", "+pre-hook", "shop_x"]
)
_OTHERS = st.sampled_from(
    [
        "shop:\n{pad}  +materialized: table # t",
        "+tags: ['a']",
        "# a comment",
        "",
        "other: {{+enabled: false}}",
    ]
)
_AROUND = st.sampled_from(
    ["name: shop", "# c", "", "vars:\n  a: 'b'\n  # d", "seeds:\n  +post-hook: x", "on-run-end: 'y'"]
)


@st.composite
def project_files(draw: st.DrawFn) -> str:
    """A dbt_project.yml: top-level pieces, and at most one `models:` section with at most one hook."""
    pad = " " * draw(st.integers(1, 5))
    entries = draw(st.lists(_OTHERS, max_size=3, unique=True))
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), draw(_HOOKS).replace("{key}", draw(_KEYS)))
    body = [
        pad + entry.replace("{pad}", pad).replace("{{", "{").replace("}}", "}") if entry else ""
        for entry in entries
    ]
    pieces = draw(st.lists(_AROUND, max_size=4, unique=True))
    if draw(st.booleans()):
        pieces.insert(draw(st.integers(0, len(pieces))), "\n".join(["models:", *body]))
    text = "\n".join(["version: 2", *pieces]) + draw(st.sampled_from(["", "\n", "\n\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(project_files())
@settings(max_examples=300, deadline=None)
def test_any_project_file_keeps_its_lines_and_is_edited_once(text: str) -> None:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    assert isinstance(values, dict)
    after = added(text)
    assert added(after) == after
    read = yaml.safe_load(after)
    assert CAPTURE.stands_in(read["models"])
    assert without_ours(read) == without_ours(values)
    kept = {line.strip().removeprefix("- ") for line in after.splitlines()}
    lost = [line for line in text.splitlines() if line.strip().removeprefix("- ") not in kept]
    assert all("hook" in line for line in lost), f"{text!r} became {after!r}"
    assert after.count("\r\n") == (after.count("\n") if "\r\n" in text else 0)
