{# The part of the segment that this model's capture writes: the node, and its batch in a microbatch model. #}
{% macro capture_part() %}
    {% set batch = model.get("batch") if model.config.get("incremental_strategy") == "microbatch" else none %}
    {{ return(model.unique_id ~ ("@" ~ batch["id"] if batch else "")) }}
{% endmacro %}
