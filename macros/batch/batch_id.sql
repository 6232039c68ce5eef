{# The id of the batch that is running, as bare text (quote it in SQL); empty while dbt parses. #}
{% macro batch_id() %} {{ return(batch_audit.run_context()["batch_id"] if execute else "") }} {% endmacro %}
