{# A fresh random text for every row. #}
{% macro random_salt() %} {{ return(adapter.dispatch("random_salt", "batch_audit")()) }}{% endmacro %}

{% macro duckdb__random_salt() %} {{ return("cast(gen_random_uuid() as text)") }}{% endmacro %}

{% macro postgres__random_salt() %} {{ return("cast(gen_random_uuid() as text)") }}{% endmacro %}
