{#
  Who and what this dbt invocation is: batch_id, batch_month, segment, actor and the runner's context (a mapping, empty
  without the runner), and problem: why these cannot be used, or none. Read under execute only: an env_var that is read
  at parse time makes dbt parse every file again when it changes.
#}
{% macro run_context() %}
    {% set prefix = "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_" %}
    {% set text = env_var(prefix ~ "CONTEXT", "") or "{}" %}
    {% set given = fromjson(text, none) %}
    {% set month = env_var(prefix ~ "BATCH_MONTH", "") or run_started_at.strftime("%Y-%m") %}
    {% set problem = (
        prefix ~ "CONTEXT must be a JSON object and is: " ~ text[:60]
        if given is not mapping
        else (
            prefix ~ "BATCH_MONTH must look like 2026-11 and is: " ~ month
            if not modules.re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", month)
            else none
        )
    ) %}
    {% set given = given if given is mapping else {} %}
    {% set own = batch_audit._self_reported() if not given.get("actor") else {} %}
    {{
        return(
            {
                "batch_id": env_var(prefix ~ "BATCH_ID", "") or invocation_id,
                "batch_month": month,
                "segment": invocation_id,
                "actor": given.get("actor") or own.get("actor"),
                "given": dict(own, **given),
                "problem": problem,
            }
        )
    }}
{% endmacro %}

{# Without the runner: what the environment says of the person and the code. What it does not say stays unknown. #}
{% macro _self_reported() %}
    {% set providers = [
        ("github", "GITHUB_ACTOR", "GITHUB_SHA", "GITHUB_REF_NAME"),
        ("gitlab", "GITLAB_USER_LOGIN", "CI_COMMIT_SHA", "CI_COMMIT_REF_NAME"),
        ("azure", "BUILD_REQUESTEDFOR", "BUILD_SOURCEVERSION", "BUILD_SOURCEBRANCHNAME"),
        ("buildkite", "BUILDKITE_BUILD_CREATOR", "BUILDKITE_COMMIT", "BUILDKITE_BRANCH"),
        ("circleci", "CIRCLE_USERNAME", "CIRCLE_SHA1", "CIRCLE_BRANCH"),
        ("jenkins", "BUILD_USER_ID", "GIT_COMMIT", "GIT_BRANCH"),
    ] %}
    {% for provider, actor, commit, branch in providers %}
        {% if env_var(actor, "") %}
            {{
                return(
                    {
                        "actor": env_var(actor),
                        "actor_source": "ci",
                        "ci_provider": provider,
                        "git_commit": env_var(commit, "") or none,
                        "git_branch": env_var(branch, "") or none,
                    }
                )
            }}
        {% endif %}
    {% endfor %}
    {% set user = env_var("USER", "") or env_var("LOGNAME", "") or env_var("USERNAME", "") %}
    {{ return({"actor": user or none, "actor_source": "os" if user else none}) }}
{% endmacro %}
