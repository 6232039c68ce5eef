{#
  What the record_write events of changed rows (a select in the shape of changed_rows_sql) say of each: record_id (NULL
  when a part of the key is), change_type, changed_fields, and the hashes and values before and after.
#}
{% macro record_rows_sql(plan, changes) %}
    {% set key = [] %}
    {% set key_before = batch_audit._key_columns(plan, "b_") %}
    {% for after in batch_audit._key_columns(plan, "a_") %}
        {% do key.append(
            batch_audit.escaped_field("coalesce(" ~ after ~ ", " ~ key_before[loop.index0] ~ ")")
        ) %}
    {% endfor %}
    {% set changed, compared_before, compared_after, before, after = [], [], [], [], [] %}
    {% for column in plan["columns"] %}
        {% set b, a = "b_" ~ loop.index0, "a_" ~ loop.index0 %}
        {% if column["compared"] %}
            {% set member = batch_audit.text_literal("," ~ batch_audit.json_string(column["name"])) %}
            {% do changed.append(
                "case when " ~ b ~ " is distinct from " ~ a ~ " then " ~ member ~ " else '' end"
            ) %}
            {% do compared_before.append((column["name"], b)) %}
            {% do compared_after.append((column["name"], a)) %}
        {% endif %}
        {% if column["before"] is not none %} {% do before.append((column["name"], b)) %} {% endif %}
        {% if column["after"] is not none %} {% do after.append((column["name"], a)) %} {% endif %}
    {% endfor %}
    select
        {{ key | join(" || '|' || ") }} as record_id,
        change_type,
        case
            when change_type = 'update' then '[' || ltrim({{ changed | join(" || ") }}, ',') || ']'
        end as changed_fields,
        case
            when change_type <> 'insert' then {{ batch_audit.record_hash_sql(compared_before) }}
        end as old_hash,
        case
            when change_type <> 'delete' then {{ batch_audit.record_hash_sql(compared_after) }}
        end as record_hash,
        case when change_type <> 'insert' then {{ batch_audit.json_object_text(before) }} end as old_value,
        case when change_type <> 'delete' then {{ batch_audit.json_object_text(after) }} end as new_value
    from ({{ changes }}) as c
{% endmacro %}

{% macro _key_columns(plan, prefix) %}
    {% set by_name = {} %}
    {% for column in plan["columns"] %}
        {% do by_name.update({column["name"]: prefix ~ loop.index0}) %}
    {% endfor %}
    {% set key = [] %}
    {% for name in plan["key"] %} {% do key.append(by_name[name]) %} {% endfor %}
    {{ return(key) }}
{% endmacro %}
