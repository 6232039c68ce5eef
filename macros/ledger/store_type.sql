{# The type of a column of the store: counts and times are BIGINT, everything else is TEXT. #}
{% macro store_type(column) %}
    {% set counted = ["seq", "occurred_at", "opened_at", "block_no", "leaf_count", "sealed_at"] %}
    {{ return("bigint" if column in counted else "text") }}
{% endmacro %}
