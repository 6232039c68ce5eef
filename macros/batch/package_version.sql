{# The version of this package; a test holds it equal to dbt_project.yml and to the Python package. #}
{% macro package_version() %} {{ return("0.1.0") }}{% endmacro %}
