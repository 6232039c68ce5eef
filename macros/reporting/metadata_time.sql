{# A time that the metadata keeps in microseconds, as a timestamp. #}
{% macro metadata_time(column, key) %}
    {{
        return(
            batch_audit.microseconds_to_timestamp(
                "cast(" ~ batch_audit.json_text(column, key) ~ " as bigint)"
            )
        )
    }}
{% endmacro %}
