{#
  The columns that identify a record of a node, and the rule that gave them: a mapping of columns (a list, empty when
  unknown) and rule. Order: the argument, meta audit_key, a primary key constraint, a unique and a not_null test on the
  same column, a unique test, a test of a unique combination of columns, what dbt itself inferred, the columns that dbt
  matches rows by (unique_key). The tests are read here
  because dbt takes a not_null column out of a combination for its key, and two unique columns for one key of both.
#}
{% macro record_key(node, given=none) %}
    {% set stated = given if given else node.config.get("meta", {}).get("audit_key") %}
    {% if stated %}
        {% set columns = [stated] if stated is string else stated | list %}
        {{ return({"columns": columns, "rule": "argument" if given else "audit_key"}) }}
    {% endif %}

    {% set described = graph.nodes.get(node.unique_id, node) %}
    {% set constrained = batch_audit._constraint_key(described) %}
    {% if constrained %} {{ return({"columns": constrained, "rule": "primary_key constraint"}) }}{% endif %}

    {% set tests = [] %}
    {# dbt attaches no test to a source. #}
    {% for test in graph.nodes.values() if test.resource_type == "test" and test.get("test_metadata") and (test.get("attached_node") or test.depends_on.nodes | join(" ")) == node.unique_id %}
        {% do tests.append(test.test_metadata) %}
    {% endfor %}
    {% set filled = batch_audit._tested_columns(described, tests, "not_null") %}
    {% set unique = batch_audit._tested_columns(described, tests, "unique") %}
    {% set both = unique | select("in", filled) | list %}
    {% if both %} {{ return({"columns": both[:1], "rule": "unique and not_null tests"}) }}{% endif %}
    {% if unique %} {{ return({"columns": unique[:1], "rule": "unique test"}) }}{% endif %}

    {% set combinations = [] %}
    {% for test in tests if test.name in ["unique_combination_of_columns", "unique_combination"] and test.kwargs.get("combination_of_columns") %}
        {% do combinations.append(test.kwargs["combination_of_columns"] | sort(case_sensitive=true)) %}
    {% endfor %}
    {% if combinations %}
        {{
            return(
                {
                    "columns": (combinations | sort(case_sensitive=true))[0],
                    "rule": "unique combination test",
                }
            )
        }}
    {% endif %}
    {% set inferred = (described.get("primary_key") or []) | sort(case_sensitive=true) %}
    {% if inferred %} {{ return({"columns": inferred, "rule": "primary_key inferred by dbt"}) }}{% endif %}
    {% set matched = node.config.get("unique_key") or [] %}
    {% set matched = [matched] if matched is string else matched | list %}
    {% set expressions = matched | reject("in", batch_audit._column_names(matched)) | list %}
    {% if matched and not expressions %}
        {{ return({"columns": matched, "rule": "unique_key of the model"}) }}
    {% endif %}
    {{ return({"columns": [], "rule": "unknown"}) }}
{% endmacro %}

{# The columns of a primary key constraint of the model or of one of its columns; an empty list without one. #}
{% macro _constraint_key(node) %}
    {% for constraint in node.get("constraints") or [] if constraint.type == "primary_key" and constraint.columns %}
        {{ return(constraint.columns | sort(case_sensitive=true)) }}
    {% endfor %}
    {% for name, column in (node.get("columns") or {}).items() %}
        {% for constraint in column.get("constraints") or [] if constraint.type == "primary_key" %}
            {{ return([name]) }}
        {% endfor %}
    {% endfor %}
    {{ return([]) }}
{% endmacro %}

{# The columns with a test of this name: documented ones in their order, then others (no expressions) by name. #}
{% macro _tested_columns(node, tests, name) %}
    {% set documented = (node.get("columns") or {}).keys() | list %}
    {% set tested = [] %}
    {% for test in tests if test.name == name %}
        {% set column = test.kwargs.get("column_name") | string %}
        {# dbt hands a quoted column to its test in quotes. #}
        {% do tested.append(
            column[1:-1] if column not in documented and column[1:-1] in documented else column
        ) %}
    {% endfor %}
    {% set others = batch_audit._column_names(
        tested | unique(case_sensitive=true) | sort(case_sensitive=true) | reject("in", documented)
    ) %}
    {{ return((documented | select("in", tested) | list) + others) }}
{% endmacro %}

{# Those of some texts that name a column and are no expression. #}
{% macro _column_names(texts) %}
    {% set names = [] %}
    {% for text in texts if modules.re.fullmatch('[^\\W\\d]\\w*|"[^"]+"|`[^`]+`', text) %}
        {% do names.append(text) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
