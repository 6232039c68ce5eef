{# The relation of one of the store's tables (or views, for the package's models). #}
{% macro store_relation(name) %}
    {{
        return(
            api.Relation.create(
                database=target.database, schema=batch_audit.store_schema(), identifier=name
            )
        )
    }}
{% endmacro %}
