{# A naive UTC datetime in microseconds since 1970-01-01; none gives none. Integers only: a float loses microseconds. #}
{% macro microseconds_of(moment) %}
    {% if moment is none or moment is undefined %} {{ return(none) }}{% endif %}
    {% set elapsed = moment.replace(tzinfo=none) - modules.datetime.datetime(1970, 1, 1) %}
    {{ return((elapsed.days * 86400 + elapsed.seconds) * 1000000 + elapsed.microseconds) }}
{% endmacro %}
