{#
  The columns of a relation in their order, as mappings of name, type (the engine's full name of it) and loose (true
  where the engine's equality calls values equal that read differently, or where there is none).
#}
{% macro relation_columns(relation) %}
    {{ return(adapter.dispatch("relation_columns", "batch_audit")(relation)) }}
{% endmacro %}

{% macro duckdb__relation_columns(relation) %}
    {% set exact = "^(u?(tiny|small|big|huge)?int(eger)?|decimal.*|float|double|enum.*|boolean|date|time|timestamp.*|uuid|blob)$" %}
    {% set columns = [] %}
    {% for row in run_query("select column_name, column_type from (describe " ~ relation ~ ")").rows %}
        {% do columns.append(
            {
                "name": row[0],
                "type": row[1],
                "loose": not modules.re.match(exact, row[1] | lower) or row[1].endswith("]"),
            }
        ) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{% macro postgres__relation_columns(relation) %}
    {% set exact = "^(smallint|integer|bigint|numeric.*|real|double precision|text|character.*|boolean|date|time.*|uuid|bytea)$" %}
    {% set columns = [] %}
    {% set rows = run_query(
        "select a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(not c.collisdeterministic, false)"
        ~ " from pg_attribute as a left join pg_collation as c on c.oid = a.attcollation where a.attrelid = "
        ~ batch_audit.text_literal(relation | string)
        ~ "::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"
    ).rows %}
    {% for row in rows %}
        {% do columns.append(
            {
                "name": row[0],
                "type": row[1],
                "loose": row[2] or not modules.re.match(exact, row[1]) or row[1].endswith("]"),
            }
        ) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
