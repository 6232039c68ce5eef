{#
  Aggregates over a relation under an alias, independent of the rows' order: rows_counted (BIGINT), fingerprint (TEXT, the
  sum of the engine's own row hashes) and fingerprint_engine (TEXT). Comparable only within one engine, version and list of
  columns. A row's hash is hashed once more: engines make it of its columns' hashes by sums or exclusive ors, so that two rows
  could exchange values and leave the sum as it is.
#}
{% macro fingerprint_sql(alias, columns) %}
    {{ return(adapter.dispatch("fingerprint_sql", "batch_audit")(alias, columns)) }}
{% endmacro %}

{% macro duckdb__fingerprint_sql(alias, columns) %}
    {% set values = [] %}
    {% for column in columns %}
        {% do values.append(alias ~ "." ~ batch_audit.quoted_name(column["name"])) %}
    {% endfor %}
    {{
        return(
            "count(*) as rows_counted, cast(coalesce(sum(cast(hash(hash(" ~ values
            | join(", ")
            ~ ")) as hugeint)), 0) as text) as fingerprint, 'duckdb ' || version() as fingerprint_engine"
        )
    }}
{% endmacro %}

{% macro postgres__fingerprint_sql(alias, columns) %}
    {% set values = [] %}
    {% for column in columns %}
        {% do values.append(
            batch_audit.canonical_text(
                alias ~ "." ~ batch_audit.quoted_name(column["name"]), column["type"]
            )
            if column["loose"]
            else alias ~ "." ~ batch_audit.quoted_name(column["name"])
        ) %}
    {% endfor %}
    {{
        return(
            "count(*) as rows_counted, coalesce(sum(hash_numeric_extended(hash_record_extended(row("
            ~ values
            | join(", ")
            ~ "), 0)::numeric, 0)::numeric), 0)::text as fingerprint,"
            ~ " 'postgres ' || current_setting('server_version') as fingerprint_engine"
        )
    }}
{% endmacro %}
