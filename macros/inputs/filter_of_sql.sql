{#
  What a model's SQL leaves out of the one relation that it reads, told from its text, as a mapping: filter (the condition
  of its WHERE, or none) and unknown (why it cannot be told, or none). With neither, no row is left out. `keys` are
  mappings of name and input_name: a record keeps its key from the input to the model. Only a statement of a known
  shape is told; whatever is not known to keep rows, and keys as they are, makes it unknown.
#}
{% macro filter_of_sql(sql, keys) %}
    {% set own = "where|from|as|select|with|order|window|group|having|qualify|limit|offset|fetch|union|intersect|except" %}
    {% set names = keys | map(attribute="name") | list + keys | map(attribute="input_name") | list %}
    {% for name in names if modules.re.fullmatch("(?i)" ~ own, name) or not modules.re.fullmatch("[^\\W\\d]\\w*", name) %}
        {{
            return(
                {
                    "filter": none,
                    "unknown": "the name of its key, " ~ name ~ ", cannot be told from its SQL",
                }
            )
        }}
    {% endfor %}
    {% set texts = batch_audit._without_literals(sql, names | map("lower") | list) %}
    {% set read = texts["masked"] %}
    {% if modules.re.search("['$]|/[*]|[*]/", read) %}
        {{ return({"filter": none, "unknown": "its SQL has text or comments that could not be read"}) }}
    {% endif %}
    {% set where = modules.re.search("(?i)\\bwhere\\b", read) %}
    {% set found = namespace(
        depth=0, filter=none, rest=read, start=0, end=read | length, done=where is none
    ) %}
    {% if where %}
        {% set found.start = where.end() %}
        {% set ends = "(?i)[();]|\\b(?:order|window|group|having|qualify|limit|offset|fetch|union|intersect|except)\\b" %}
        {% for mark in modules.re.finditer(ends, read[found.start :]) if not found.done %}
            {% if mark.group() == "(" %} {% set found.depth = found.depth + 1 %}
            {% elif mark.group() == ")" and found.depth %} {% set found.depth = found.depth - 1 %}
            {% elif not found.depth %}
                {% set found.end = found.start + mark.start() %} {% set found.done = true %}
            {% endif %}
        {% endfor %}
        {% set found.filter = batch_audit._one_line(texts["uncommented"][found.start : found.end]) %}
        {% set found.rest = read[: found.start] ~ " 0 " ~ read[found.end :] %}
    {% endif %}
    {% set unknown = batch_audit._other_omission(
        found.rest, where is not none
    ) or batch_audit._changed_key(found.rest, keys) %}
    {{ return({"filter": none if unknown else found.filter, "unknown": unknown}) }}
{% endmacro %}

{#
  SQL in two texts of its length: `uncommented` has blanks for comments; `masked` has digits for texts and the letter x for
  the insides of quoted names as well, unless they are one plain word.
#}
{% macro _without_literals(sql, names) %}
    {% set pattern = (
        "(?s)(--[^\\n]*|/[*].*?[*]/)|(\\b[eE]'(?:[^'\\\\]|\\\\.|'')*'|'(?:[^']|'')*'|[$](\\w*)[$].*?[$]\\3[$])"
        ~ '|"(?:[^"]|"")*"'
    ) %}
    {% set uncommented, masked, at = [], [], namespace(end=0) %}
    {% for piece in modules.re.finditer(pattern, sql) %}
        {% set between, text = sql[at.end : piece.start()], piece.group() %}
        {% if piece.group(1) is not none %} {% set kept, hidden = " " * text | length, " " * text | length %}
        {% elif piece.group(2) is not none %} {% set kept, hidden = text, "0" * text | length %}
        {% else %}
            {% set hidden = '"' ~ "x" * (text | length - 2) ~ '"' %}
            {% set kept, hidden = text, text if text[1:-1] | lower in names else hidden %}
        {% endif %}
        {% do uncommented.append(between ~ kept) %}
        {% do masked.append(between ~ hidden) %}
        {% set at.end = piece.end() %}
    {% endfor %}
    {{
        return(
            {"uncommented": uncommented | join ~ sql[at.end :], "masked": masked | join ~ sql[at.end :]}
        )
    }}
{% endmacro %}

{# SQL with its white space made single blanks, outside texts and quoted names. #}
{% macro _one_line(sql) %}
    {% set parts = [] %}
    {% for part in modules.re.split("((?:'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")+)", sql) %}
        {% do parts.append(part if loop.index0 % 2 else modules.re.sub("\\s+", " ", part)) %}
    {% endfor %}
    {{ return(parts | join | trim) }}
{% endmacro %}

{# What else than one filter may leave rows out in masked SQL whose filter is cut out; none when nothing may. #}
{% macro _other_omission(sql, filtered) %}
    {% set sql = modules.re.sub("(?i)\\bis\\s+(?:not\\s+)?distinct\\s+from\\b", "=", sql) %}
    {% if modules.re.findall("(?i)\\bwhere\\b", sql) | length > (1 if filtered else 0) %}
        {{ return("its SQL has more than one WHERE") }}
    {% endif %}
    {% set word = modules.re.search(
        "(?i)\\b(join|group|having|qualify|distinct|limit|offset|fetch|union|intersect|except|recursive|tablesample|sample"
        ~ "|pivot|unpivot|lateral|summarize)\\b",
        sql,
    ) %}
    {% if word %} {{ return("its SQL has " ~ word.group() | upper) }}{% endif %}
    {# After each FROM one relation with an alias at most: no list, no subquery, no function. #}
    {% set name = '(?:"\\w*"|[^\\W\\d]\\w*)' %}
    {% set reads = (
        "(?i)\\s*"
        ~ name
        ~ "(?:\\s*[.]\\s*"
        ~ name
        ~ ")*(?:\\s+(?:as\\s+)?(?!(?:where|order|window)\\b)"
        ~ name
    ) ~ ")?\\s*(?:where\\b|order\\b|window\\b|[);]|$)" %}
    {% for clause in modules.re.finditer("(?i)\\bfrom\\b", sql) %}
        {% if not modules.re.match(reads, sql[clause.end() :]) %}
            {{ return("its SQL reads from more than one plain relation") }}
        {% endif %}
    {% endfor %}
    {# Functions that are neither aggregates nor give several rows, and words that stand before a parenthesis. #}
    {% set harmless = (
        "abs as and between btrim by case cast ceil ceiling char coalesce concat concat_ws convert_to date_diff date_part"
        ~ " date_trunc datediff decimal dense_rank else encode epoch_us exclude exp extract first_value floor format"
        ~ " greatest hash if ifnull in lag last_value lead least left length like ln lower lpad ltrim make_date"
        ~ " make_timestamp md5 mod not now ntile nullif numeric on or over position power random rank regexp_replace"
        ~ " replace right round row_number rpad rtrim select sha256 sign split_part sqrt starts_with strftime strpos"
        ~ " strptime substr substring then timestamp to_char to_date to_number to_timestamp trim trim_scale trunc"
        ~ " try_cast upper using varchar when where with year month day hour minute second"
    ).split() %}
    {% for call in modules.re.findall("((?:[\\w\"]+\\s*[.]\\s*)?[\\w\"]+)\\s*[(]", sql) if call | lower not in harmless %}
        {{ return("its SQL calls " ~ call ~ ", which may leave rows out") }}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}

{# Why a record's key may not be the same in the input and in the model, in masked SQL; none when it is. #}
{% macro _changed_key(sql, keys) %}
    {% for key in keys %}
        {% set came, made = (
            '"?' ~ modules.re.escape(key["input_name"]) ~ '"?',
            '"?' ~ modules.re.escape(key["name"]) ~ '"?',
        ) %}
        {% set type = "[\\w ]+(?:[(][\\d, ]*[)])?" %}
        {% set column = '(?:[\\w"]+\\s*[.]\\s*)*' ~ came %}
        {% set kept = (
            (
                "(?i)(?:\\bselect\\b|,)\\s*(?:cast\\s*[(]\\s*"
                ~ column
                ~ "\\s+as\\s+"
                ~ type
                ~ "\\s*[)]|"
                ~ column
            )
            ~ "(?:\\s*::\\s*"
            ~ type
            ~ ")?)\\s+(?:as\\s+)?"
            ~ made
            ~ "$"
        ) %}
        {% set aliased = namespace(kept=0) %}
        {% set no_name_before = "select distinct all and or not when then else case by on in is like between where from".split() %}
        {% for named in modules.re.finditer('(?i)(?<![\\w"])' ~ made ~ '(?![\\w"])', sql) %}
            {% set word = modules.re.search('([\\w"]+|[)\\]])\\s+$', sql[: named.start()]) %}
            {# After a word that ends an expression, or AS, it is the name of that expression. #}
            {% if word and word.group(1) | lower not in no_name_before %}
                {% if not modules.re.search(kept, sql[: named.end()]) %}
                    {{ return("its SQL makes " ~ key["name"] ~ " itself") }}
                {% endif %}
                {% set aliased.kept = aliased.kept + 1 %}
            {% endif %}
        {% endfor %}
        {% if modules.re.search("(?i)" ~ made ~ "\\s*:(?!:)", sql) %}
            {{ return("its SQL makes " ~ key["name"] ~ " itself") }}
        {% elif key["name"] | lower != key["input_name"] | lower and not aliased.kept %}
            {{ return("its SQL does not rename " ~ key["input_name"] ~ " to " ~ key["name"]) }}
        {% endif %}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}
