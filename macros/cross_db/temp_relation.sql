{# A temporary table of this session as a relation: it lies in no schema of the project. #}
{% macro temp_relation(name) %}
    {{
        return(
            api.Relation.create(
                identifier=name, quote_policy={"database": false, "schema": false, "identifier": false}
            )
        )
    }}
{% endmacro %}
