"""Open the user's dbt profile through dbt's own adapters, so that every way to authenticate works.

dbt has no public API for this. Everything that touches dbt's insides is in this file; it avoids dbt's global state
(no registered adapter, no event logger, no telemetry) and works with dbt-core 1.10 to 1.12.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from batch_audit.errors import BatchAuditError, ConfigurationError, StoreMissingError, WarehouseError
from batch_audit.settings import Settings
from batch_audit.warehouses.base import Warehouse

_OPEN_ERRORS = (ConfigurationError, StoreMissingError, WarehouseError)


class _Flags(SimpleNamespace):
    """The flags that dbt reads while it loads a profile; whatever a version asks for beyond these is unset."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def preload(settings: Settings | None = None) -> None:
    """Import what `open_warehouse` needs (seconds of CPU), with the profile's adapter when settings are given.

    Meant for a background thread while dbt runs. It never raises: what is wrong is said by `open_warehouse`.
    """
    import dbt.adapters.factory
    import dbt.config.runtime  # noqa: F401

    if settings is not None:
        try:
            _load_config(settings)
        except BatchAuditError:
            return


def open_warehouse(settings: Settings, *, create: bool = False) -> Warehouse:
    """Connect to the target of the project's dbt profile.

    `create` allows DuckDB to make a database file that does not exist.

    Raises ConfigurationError for a project or profile that cannot be used, StoreMissingError for a DuckDB file that
    does not exist, WarehouseError for a server that cannot be reached or a file that another process holds.
    """
    config = _load_config(settings)
    engine = config.credentials.type
    if engine not in ("duckdb", "postgres"):
        raise ConfigurationError(
            f"Target {config.target_name!r} of profile {config.profile_name!r} uses the adapter {engine!r}:"
            " batch-audit works with duckdb and postgres."
        )
    _anchor_duckdb_paths(config, settings.project_dir, create)
    audit_schema = resolve_audit_schema(settings, config)
    open_handle, release = _adapter_handles(config)
    with _connection_errors(config):
        return _warehouse_class(engine)(open_handle, release, config.credentials.database, audit_schema)


def resolve_audit_schema(settings: Settings, config: Any) -> str:
    """The schema of the audit store: as given, else as dbt resolved it in the manifest, else by dbt's default rule.

    A manifest that was made for another target is not believed: none of its nodes lies in this target's schema.
    """
    if settings.audit_schema:
        return settings.audit_schema
    return _schema_from_manifest(settings.project_dir, config) or (
        f"{config.credentials.schema}_{_variable(config, 'batch_audit_schema', 'audit')}"
    )


def _schema_from_manifest(project_dir: Path, config: Any) -> str | None:
    path = (
        project_dir / (os.environ.get("DBT_TARGET_PATH") or config.target_path or "target") / "manifest.json"
    )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    nodes = [node for node in (manifest.get("nodes") or {}).values() if isinstance(node, dict)]
    disabled = [node for group in (manifest.get("disabled") or {}).values() for node in group]
    plain = {node.get("schema") for node in nodes if not (node.get("config") or {}).get("schema")}
    if plain and config.credentials.schema not in plain:
        return None
    ours = [node for node in nodes + disabled if node.get("package_name") == "batch_audit"]
    return next(
        (node["schema"] for node in ours if node.get("resource_type") == "model" and node.get("schema")), None
    )


def _variable(config: Any, name: str, default: str) -> str:
    """A dbt variable: command line, then the project's `vars` for our package, then the project's own."""
    project_vars = config.vars.to_dict()
    for scope in (config.cli_vars, project_vars.get("batch_audit") or {}, project_vars):
        if name in scope:
            return str(scope[name])
    return default


def _load_config(settings: Settings) -> Any:
    """dbt's RuntimeConfig for the settings."""
    import dbt.flags
    import dbt.tracking
    from dbt.config.runtime import RuntimeConfig, load_profile, load_project
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    project_dir = settings.project_dir
    if not (project_dir / "dbt_project.yml").is_file():
        raise ConfigurationError(
            f"No dbt_project.yml in {project_dir}. Run the command inside a dbt project, or give --project-dir."
        )
    variables = _parse_vars(settings.vars)
    profiles_dir = settings.profiles_dir or _default_profiles_dir()
    flags = _Flags(
        PROFILES_DIR=str(profiles_dir), PROJECT_DIR=str(project_dir), VERSION_CHECK=False, LOG_CACHE_EVENTS=False,
        SEND_ANONYMOUS_USAGE_STATS=False, WARN_ERROR=False, vars=variables, profile=settings.profile,
        target=settings.target, threads=1, project_dir=str(project_dir), profiles_dir=str(profiles_dir),
    )  # fmt: skip
    set_invocation_context(dict(os.environ))
    dbt.flags.set_flags(flags)
    dbt.tracking.initialize_from_flags(False, str(profiles_dir))
    try:
        profile = load_profile(str(project_dir), variables, settings.profile, settings.target, 1)
        project = load_project(str(project_dir), False, profile, variables)
        return RuntimeConfig.from_parts(project, profile, flags)
    except DbtBaseException as error:
        raise ConfigurationError(
            f"The dbt profile cannot be used: {_text(error)}\n"
            f"  project: {project_dir}\n  profiles.yml looked for in: {profiles_dir}\n"
            "  Check with `dbt debug`, or give --profiles-dir, --profile or --target."
        ) from error


def _parse_vars(text: str | None) -> dict[str, Any]:
    from dbt.utils import MultiDict  # noqa: F401  (loads dbt's YAML set-up once)
    from dbt_common.clients.system import convert_path  # noqa: F401

    import yaml

    try:
        value = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"--vars is not valid YAML: {error}. Example: --vars '{{name: value}}'."
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"--vars must be a YAML mapping such as '{{name: value}}', not {text!r}.")
    return value


def _default_profiles_dir() -> Path:
    """dbt's own rule: the working directory if it has a profiles.yml, else ~/.dbt."""
    return Path.cwd() if (Path.cwd() / "profiles.yml").is_file() else Path.home() / ".dbt"


def _anchor_duckdb_paths(config: Any, project_dir: Path, create: bool) -> None:
    """Make relative DuckDB files absolute: dbt changes into the project's folder, we do not."""
    credentials = config.credentials
    if credentials.type != "duckdb":
        return
    credentials.path = _anchored(credentials.path, project_dir)
    for attachment in credentials.attach or ():
        attachment.path = _anchored(attachment.path, project_dir)
    path = credentials.path
    if not create and _is_local_file(path) and not Path(path).exists():
        raise StoreMissingError(
            f"The DuckDB file {path} does not exist (target {config.target_name!r} of profile {config.profile_name!r}),"
            " so there is no audit store yet. Run a batch first: batch-audit run -- dbt build."
        )


def _is_local_file(path: str) -> bool:
    return path != ":memory:" and not re.match(r"[A-Za-z][A-Za-z0-9_+.-]+:", path)


def _anchored(path: str, folder: Path) -> str:
    return str(folder / path) if _is_local_file(path) else path


def _adapter_handles(config: Any) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Two functions on an adapter of our own: open one more handle; let go of everything."""
    from dbt.adapters.contracts.connection import Connection
    from dbt.adapters.factory import get_adapter_class_by_name
    from dbt.mp_context import get_mp_context

    adapter: Any = get_adapter_class_by_name(config.credentials.type)(config, get_mp_context())
    connections = adapter.connections

    def open_handle() -> Any:
        connection = Connection(
            type=config.credentials.type, name="batch_audit", credentials=config.credentials
        )
        return connections.open(connection).handle

    def release() -> None:
        adapter.cleanup_connections()
        if hasattr(connections, "close_all_connections"):
            connections.close_all_connections()

    return open_handle, release


def _warehouse_class(engine: str) -> Any:
    if engine == "duckdb":
        from batch_audit.warehouses.duckdb import DuckDBWarehouse

        return DuckDBWarehouse
    from batch_audit.warehouses.postgres import PostgresWarehouse

    return PostgresWarehouse


@contextmanager
def _connection_errors(config: Any) -> Iterator[None]:
    """Say who to talk to when the database cannot be opened."""
    try:
        yield
    except _OPEN_ERRORS:
        raise
    except Exception as error:  # each driver has its own, and all of them mean that we are not connected
        raise WarehouseError(_why_not_connected(config, _text(error))) from error


def _why_not_connected(config: Any, message: str) -> str:
    target = f"target {config.target_name!r} of profile {config.profile_name!r}"
    if config.credentials.type == "duckdb":
        holder = re.search(r"[Cc]onflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", message)
        if holder:
            return (
                f"The DuckDB file {config.credentials.path} ({target}) is in use by process {holder['pid']}"
                f" ({holder['program']}), and DuckDB lets one process at a time open a file."
                f" Wait until process {holder['pid']} has ended, then run the command again."
            )
        return f"The DuckDB database {config.credentials.path} ({target}) cannot be opened: {message}"
    server = f"{config.credentials.host}:{config.credentials.port}, database {config.credentials.database}"
    return f"No connection to Postgres at {server} ({target}): {message}\n  Check with `dbt debug`."


def _text(error: BaseException) -> str:
    """The message without dbt's indentation and blank lines."""
    return " ".join(str(getattr(error, "msg", None) or error).split())
