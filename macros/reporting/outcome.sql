{# dbt's status of a node or test as one of ok, fail, warn, error, skipped; a status that is not known counts as an error. #}
{% macro outcome(status) %}
    {{
        return(
            "case when "
            ~ status
            ~ " in ('success', 'pass', 'no-op', 'reused') then 'ok' when "
            ~ status
            ~ " in ('fail', 'warn', 'skipped') then "
            ~ status
            ~ " else 'error' end"
        )
    }}
{% endmacro %}
