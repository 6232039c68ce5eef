{# Microseconds since 1970-01-01 UTC as a timestamp without zone, in UTC. #}
{% macro microseconds_to_timestamp(column) %}
    {{ return(adapter.dispatch("microseconds_to_timestamp", "batch_audit")(column)) }}
{% endmacro %}

{% macro duckdb__microseconds_to_timestamp(column) %} make_timestamp({{ column }}){% endmacro %}

{% macro postgres__microseconds_to_timestamp(column) %}
    (timestamp '1970-01-01' + {{ column }} * interval '1 microsecond')
{% endmacro %}
