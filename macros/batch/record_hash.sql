{#
  SQL text of a hash over columns of the model's own select, for use inside a model: NULL and '' differ, and no two lists
  of values collide. Types are unknown while a model compiles, so a value is hashed as the engine's own text of it unless
  the model's YAML gives the column's data_type.
#}
{% macro record_hash(columns) %}
    {# A model's columns are not known yet while dbt parses it. #}
    {% if execute and not columns %}
        {{ exceptions.raise_compiler_error(model.name ~ ": record_hash needs at least one column.") }}
    {% endif %}
    {% set pairs = [] %}
    {% for name in ([columns] if columns is string else columns) | sort(case_sensitive=true) %}
        {% set type = (model.columns.get(name) or {}).get("data_type") %}
        {% do pairs.append(
            (name, batch_audit.canonical_text(name, type) if type else "cast(" ~ name ~ " as text)")
        ) %}
    {% endfor %}
    {{ return(batch_audit.record_hash_sql(pairs)) }}
{% endmacro %}
