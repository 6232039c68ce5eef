{#
  Inserts events that carry no payload. An event may bring raw_code and compiled_code: the warehouse hashes them (dbt
  offers only MD5) and adds raw_checksum and compiled_checksum to the metadata. An event without code gets
  `tail`, SQL text of the further members of its metadata: `',"name":' || (select …)`.
#}
{% macro insert_events_sql(events, tail=none) %}
    {% if not events %} {{ return("") }}{% endif %}
    {% set columns = batch_audit.store_columns("audit_event") | join(", ") %}
    {% set given = batch_audit.store_columns("audit_event") | reject("in", ["event_id", "metadata"]) | list %}
    {{ batch_audit.lock_sql(none, events[0]["segment"]) }}
    insert into {{ batch_audit.store_relation("audit_event") }} ({{ columns }})
    select {{ columns }}
    from (
        select r.*, {{ batch_audit.sha256_hex(batch_audit.row_text("audit_event", "r")) }} as event_id
        from (
            select
    {{ given | join(", ") }},
                case
                    when raw_code is null and compiled_code is null
                    then
    {{ "left(metadata, length(metadata) - 1) || " ~ tail ~ " || '}'" if tail else "metadata" }}
                    else
                        left(metadata, length(metadata) - 1)
                        || ',"raw_checksum":'
                        || coalesce('"' || {{ batch_audit.sha256_hex("raw_code") }} || '"', 'null')
                        || ',"compiled_checksum":'
                        || coalesce('"' || {{ batch_audit.sha256_hex("compiled_code") }} || '"', 'null')
                        || '}'
                end as metadata
            from {{ batch_audit.rows_from_json(events, given + ["metadata", "raw_code", "compiled_code"]) }} as r
        ) as r
    ) as r;
{% endmacro %}
