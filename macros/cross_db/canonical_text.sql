{#
  The canonical text of a value (docs/reference/store.md has the table): the same text for the same value on every
  engine. `data_type` is the type's name as the adapter reports it; NULL gives NULL.
#}
{% macro canonical_text(expression, data_type) %}
    {{ return(adapter.dispatch("canonical_text", "batch_audit")(expression, data_type)) }}
{% endmacro %}

{% macro duckdb__canonical_text(expression, data_type) %}
    {% set type = data_type | lower | trim %}
    {% set x = expression %}
    {% if type.endswith("[]") or modules.re.search("\\[[0-9]+\\]$", type) %}
        {% set element = batch_audit.canonical_text("element", data_type[: data_type.rindex("[")]) %}
        {{ return("cast(to_json(list_transform(" ~ x ~ ", lambda element: " ~ element ~ ")) as text)") }}
    {% elif type.startswith("struct") or type.startswith("map") or type.startswith("union") %}
        {{ return("cast(" ~ x ~ " as text)") }}
    {% elif type.startswith("decimal") or type.startswith("numeric") %}
        {{
            return(
                "case when strpos(cast("
                ~ x
                ~ " as text), '.') > 0 then rtrim(rtrim(cast("
                ~ x
                ~ " as text), '0'), '.') else cast("
                ~ x
                ~ " as text) end"
            )
        }}
    {% elif type in ["double", "float", "real", "float8", "float4"] %}
        {{ return(batch_audit._duckdb_float_text("cast(cast(" ~ x ~ " as text) as double)")) }}
    {% elif type == "date" %} {{ return("replace(cast(" ~ x ~ " as text), ' (BC)', ' BC')") }}
    {% elif type.startswith("timestamp") %} {{ return(batch_audit._duckdb_timestamp_text(x, type)) }}
    {% elif type in ["time", "time_ns"] %}
        {{ return("strftime(date '2000-01-01' + cast(" ~ x ~ " as time), '%H:%M:%S.%f')") }}
    {% elif type == "interval" %}
        {{
            return(
                "'P' || cast(datepart('year', "
                ~ x
                ~ ") * 12 + datepart('month', "
                ~ x
                ~ ") as text) || 'M' || cast(datepart('day', "
                ~ x
                ~ ") as text) || 'DT' || cast((datepart('hour', "
                ~ x
                ~ ") * 60 + datepart('minute', "
                ~ x
                ~ ")) * 60000000 + datepart('microsecond', "
                ~ x
                ~ ") as text) || 'us'"
            )
        }}
    {% elif type in ["blob", "bytea", "binary", "varbinary"] %} {{ return("lower(hex(" ~ x ~ "))") }}
    {% elif type == "varchar" %}
        {# A column may have a collation, which no catalogue shows: to NOCASE, 'a' and 'A' are the same. #}
        {{ return("(" ~ x ~ " collate c)") }}
    {% endif %}
    {# JSON is text here and stays as it is: DuckDB's json() would rewrite numbers and lose their digits. #}
    {{ return("cast(" ~ x ~ " as text)") }}
{% endmacro %}

{% macro _duckdb_float_text(x) %}
    {{
        return(
            "case when isnan("
            ~ x
            ~ ") then 'NaN' when isinf("
            ~ x
            ~ ") then case when "
            ~ x
            ~ " > 0 then 'Infinity' else '-Infinity' end"
            ~ " when "
            ~ x
            ~ " = 0 then '0' else regexp_replace(cast("
            ~ x
            ~ " as text), '\\.0$', '') end"
        )
    }}
{% endmacro %}

{% macro _duckdb_timestamp_text(x, type) %}
    {% set zone = "Z" if "zone" in type or type == "timestamptz" else "" %}
    {# make_timestamp reads microseconds as UTC whatever the session's zone, and needs no ICU. #}
    {% set utc = "make_timestamp(epoch_us(" ~ x ~ "))" if zone else x %}
    {% set digits = "%n" if type == "timestamp_ns" else "%f" %}
    {{
        return(
            "case when not isfinite("
            ~ x
            ~ ") then cast("
            ~ x
            ~ " as text) when year("
            ~ utc
            ~ ") < 1 then strftime("
            ~ utc
            ~ " + to_years(1 - 2 * year("
            ~ utc
            ~ ")), '%Y-%m-%dT%H:%M:%S."
            ~ digits
            ~ zone
            ~ "') || ' BC' else strftime("
            ~ utc
            ~ ", '%Y-%m-%dT%H:%M:%S."
            ~ digits
            ~ zone
            ~ "') end"
        )
    }}
{% endmacro %}

{% macro postgres__canonical_text(expression, data_type) %}
    {% set type = data_type | lower | trim %}
    {% set x = "(" ~ expression ~ ")" %}
    {% if type.endswith("[]") %}
        {% set element = batch_audit.canonical_text("u.element", data_type[:-2]) %}
        {{
            return(
                "case when "
                ~ x
                ~ " is null then null when array_ndims("
                ~ x
                ~ ") > 1 then array_to_json("
                ~ x
                ~ ")::text else '[' || coalesce((select string_agg(coalesce(to_json("
                ~ element
                ~ ")::text, 'null'), ',' order by u.place) from unnest("
                ~ x
                ~ ") with ordinality as u(element, place)), '') || ']' end"
            )
        }}
    {% elif type.startswith("numeric") or type.startswith("decimal") %}
        {{ return("trim_scale" ~ x ~ "::text") }}
    {% elif type in ["double precision", "float8"] %} {{ return(batch_audit._postgres_float_text(x)) }}
    {% elif type in ["real", "float4"] %}
        {{ return(batch_audit._postgres_float_text("(" ~ x ~ "::text::float8)")) }}
    {% elif type == "boolean" %}
        {{ return("case when " ~ x ~ " then 'true' when not " ~ x ~ " then 'false' end") }}
    {% elif type == "date" %}
        {{
            return(
                "case when not isfinite"
                ~ x
                ~ " then "
                ~ x
                ~ "::text when "
                ~ x
                ~ " < date '0001-01-01' then to_char("
                ~ x
                ~ ", 'YYYY-MM-DD') || ' BC' else to_char("
                ~ x
                ~ ", 'YYYY-MM-DD') end"
            )
        }}
    {% elif type.startswith("timestamp") %}
        {% set zoned = "with time zone" in type or type == "timestamptz" %}
        {% set utc = "(" ~ x ~ " at time zone 'UTC')" if zoned else x %}
        {% set text = "to_char(" ~ utc ~ ', \'YYYY-MM-DD"T"HH24:MI:SS.US' ~ ('"Z"' if zoned else "") ~ "')" %}
        {{
            return(
                "case when not isfinite"
                ~ x
                ~ " then "
                ~ x
                ~ "::text when "
                ~ utc
                ~ " < timestamp '0001-01-01' then "
                ~ text
                ~ " || ' BC' else "
                ~ text
                ~ " end"
            )
        }}
    {% elif type in ["time without time zone", "time"] %}
        {{ return("to_char(" ~ x ~ "::interval, 'HH24:MI:SS.US')") }}
    {% elif type == "interval" %}
        {{
            return(
                "'P' || (extract(year from "
                ~ x
                ~ ") * 12 + extract(month from "
                ~ x
                ~ "))::bigint::text || 'M' || extract(day from "
                ~ x
                ~ ")::bigint::text || 'DT' || ((extract(hour from "
                ~ x
                ~ ") * 60 + extract(minute from "
                ~ x
                ~ ")) * 60000000 + extract(microseconds from "
                ~ x
                ~ "))::bigint::text || 'us'"
            )
        }}
    {% elif type == "bytea" %} {{ return("encode(" ~ x ~ ", 'hex')") }}
    {% elif type in ["json", "jsonb"] %} {{ return(x ~ "::jsonb::text") }}
    {% endif %}
    {{ return(x ~ "::text") }}
{% endmacro %}

{# float8 switches to an exponent at 1e15, the canonical text at 1e16 (as Python and DuckDB do). #}
{% macro _postgres_float_text(x) %}
    {{
        return(
            "case when "
            ~ x
            ~ " = 0 then '0' when abs("
            ~ x
            ~ ") >= 1e15 and abs("
            ~ x
            ~ ") < 1e16 then "
            ~ x
            ~ "::text::numeric::text else "
            ~ x
            ~ "::text end"
        )
    }}
{% endmacro %}
