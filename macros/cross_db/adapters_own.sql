{# The macro of the adapter, or of dbt, that a macro in dispatched/ stands before. #}
{% macro adapters_own(name) %}
    {{ return(dbt.get(adapter.type() ~ "__" ~ name) or dbt["default__" ~ name]) }}
{% endmacro %}
