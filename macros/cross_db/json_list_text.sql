{# A JSON array of texts as one readable text: 'a, b'. #}
{% macro json_list_text(column) %}
    {{ return(adapter.dispatch("json_list_text", "batch_audit")(column)) }}
{% endmacro %}

{% macro duckdb__json_list_text(column) %}
    array_to_string(cast(cast({{ column }} as json) as varchar[]), ', ')
{% endmacro %}

{% macro postgres__json_list_text(column) %}
    case
        when {{ column }} is not null
        then array_to_string(array(select jsonb_array_elements_text(cast({{ column }} as jsonb))), ', ')
    end
{% endmacro %}
