{# Now, in microseconds since 1970-01-01 UTC, by the clock of the machine that dbt runs on. #}
{% macro now_microseconds() %}
    {{
        return(
            batch_audit.microseconds_of(
                modules.datetime.datetime.now(modules.pytz.utc).replace(tzinfo=none)
            )
        )
    }}
{% endmacro %}
