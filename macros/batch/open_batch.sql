{#
  on-run-start: makes sure that the store can be written, registers this invocation's segment and writes batch_start,
  both or neither. If this fails, dbt starts no node: a run that cannot be audited does not run.
#}
{% macro open_batch() %}
    {% if not execute %} {{ return("") }}{% endif %}
    {% set audited = batch_audit.is_audited() %}
    {% if not audited and not batch_audit.setting("batch_audit_models") | as_bool %}
        {{ return("") }}
    {% endif %}

    {% do batch_audit.engine_name() %}
    {% set run = batch_audit.run_context() %}
    {% if run["problem"] %}
        {{
            exceptions.raise_compiler_error(
                "batch_audit does not know which batch this is: "
                ~ run["problem"]
                ~ "\n  `batch-audit run` sets this variable; unset it for a run of its own."
            )
        }}
    {% endif %}
    {% set state = batch_audit.ensure_store(run["batch_month"]) %}
    {% if not audited %} {{ return("") }}{% endif %}

    {% set opened_at = batch_audit.now_microseconds() %}
    {% set segment_row = {
        "segment": run["segment"],
        "part": "segment",
        "seq": 1,
        "batch_id": run["batch_id"],
        "batch_month": run["batch_month"],
        "invocation_id": invocation_id,
        "writer": "hooks",
        "opened_at": opened_at,
    } %}
    {% set start = batch_audit.event_fields(
        run,
        "run",
        1,
        "batch_start",
        occurred_at=opened_at,
        metadata=batch_audit._start_metadata(run, state),
    ) %}
    {# Executed here: dbt goes on with the nodes when the SQL that a hook returns fails. #}
    {% do run_query(
        batch_audit.begin_sql()
        ~ batch_audit.insert_rows_sql("audit_segment", [segment_row])
        ~ batch_audit.insert_events_sql([start])
        ~ "commit;"
    ) %}
{% endmacro %}

{# What batch_start says of the run, its code and the warehouse's own view of the session. #}
{% macro _start_metadata(run, state) %}
    {% set given = run["given"] %}
    {% set args = invocation_args_dict or {} %}
    {# A retry runs under the flags of the command that it takes up. #}
    {% set words = (flags.INVOCATION_COMMAND or "").split() %}
    {% set retried = "retry" in words and (
        flags.WHICH not in words or words.index("retry") < words.index(flags.WHICH)
    ) %}
    {% set command = "retry" if retried else flags.WHICH %}
    {{
        return(
            {
                "command": given.get("command") or "dbt " ~ command,
                "dbt_command": command,
                "selection": {
                    "select": args.get("select") or [],
                    "exclude": args.get("exclude") or [],
                    "selector": args.get("selector"),
                },
                "full_refresh": flags.FULL_REFRESH | default(false, true),
                "target_name": target.name,
                "target_schema": target.schema,
                "project": project_name,
                "job": given.get("job"),
                "actor_source": given.get("actor_source"),
                "session_user": state["session_user"],
                "database": state["database_name"],
                "application_name": state["application_name"],
                "warehouse_clock": state["warehouse_clock"] | string,
                "warehouse_version": state["warehouse_version"],
                "git_commit": given.get("git_commit"),
                "git_branch": given.get("git_branch"),
                "git_dirty": given.get("git_dirty"),
                "ci_provider": given.get("ci_provider"),
                "run_url": given.get("run_url"),
                "host": given.get("host"),
                "dbt_version": dbt_version,
                "adapter_type": batch_audit.engine_name(),
                "adapter_version": (given.get("adapter_versions") or {}).get(batch_audit.engine_name()),
                "package_version": batch_audit.package_version(),
                "vars": batch_audit._without_secrets(args.get("vars") or {}),
                "started_at": batch_audit.microseconds_of(run_started_at),
            }
        )
    }}
{% endmacro %}

{# Command line variables, with the values of those whose name sounds like a secret replaced, at any depth. #}
{% macro _without_secrets(values) %}
    {% set secret = "(?i)pass|secret|token|credential|private|api_?key|access_?key|pwd" %}
    {% if values is not mapping %} {{ return(values) }}{% endif %}
    {% set shown = {} %}
    {% for name, value in values.items() %}
        {% do shown.update(
            {
                name: (
                    "***"
                    if modules.re.search(secret, name | string)
                    else batch_audit._without_secrets(value)
                )
            }
        ) %}
    {% endfor %}
    {{ return(shown) }}
{% endmacro %}
