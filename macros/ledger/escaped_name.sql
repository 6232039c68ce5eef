{# A column's name as it stands in a record text: escaped like a field, and `=` written `~2`. #}
{% macro escaped_name(name) %}
    {{ return(name | replace("~", "~0") | replace("|", "~1") | replace("=", "~2")) }}
{% endmacro %}
