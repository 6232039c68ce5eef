"""Open the user's dbt profile through dbt's own adapters, so that every way to authenticate works.

dbt has no public API for this. Everything that touches dbt's insides is in this file. It registers no
adapter, sets up no logger and no telemetry, and works with dbt-core 1.11 and 1.12.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

from batch_audit.errors import BatchAuditError, ConfigurationError, StoreMissingError, WarehouseError
from batch_audit.settings import Settings
from batch_audit.warehouses.base import Warehouse

ENGINES = ("duckdb", "postgres")


class _Flags(SimpleNamespace):
    """The flags that dbt reads while it loads a profile; what a version asks for beyond these is unset."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def preload(settings: Settings | None = None) -> None:
    """Import what `open_warehouse` needs (seconds of CPU); with settings, the profile's adapter, too.

    Meant for a background thread while dbt runs. What is wrong with the settings is said by `open_warehouse`.
    """
    import dbt.adapters.factory
    import dbt.config.runtime  # noqa: F401

    if settings is not None:
        try:
            config = _load_config(settings)
            _warehouse_class(config.credentials.type)
        except BatchAuditError:
            return


def open_warehouse(settings: Settings, *, create: bool = False) -> Warehouse:
    """Connect to the target of the project's dbt profile.

    `create` allows DuckDB to make a database file that does not exist.

    Raises ConfigurationError for a project or profile that cannot be used, StoreMissingError for a DuckDB
    file that does not exist, WarehouseError for a server out of reach or a file that another process holds.
    """
    config = _load_config(settings)
    warehouse_class = _warehouse_class(config.credentials.type)
    if config.credentials.type == "duckdb":
        _prepare_duckdb(config, settings.project_dir, create)
    audit_schema = resolve_audit_schema(settings, config)
    open_handle, release = _adapter_handles(config)
    database, location = config.credentials.database, location_of(config.credentials)
    return cast(Warehouse, warehouse_class(open_handle, release, database, audit_schema, location))


def location_of(credentials: Any) -> str:
    """The namespace of the target's datasets, a URI.

    Postgres: `postgres://host:port` (OpenLineage, Naming); a socket's server is on this machine. For DuckDB OpenLineage
    has no rule: `duckdb://` and the file's path, as its dbt integration does.
    """
    if credentials.type == "duckdb":
        path, _, _ = str(credentials.path).partition("?")  # what follows may hold a token (MotherDuck)
        return f"duckdb://{quote(path)}"
    host = str(credentials.host)
    if host.startswith("/"):
        host = socket.gethostname()
    return f"{credentials.type}://{f'[{host}]' if ':' in host else host}:{credentials.port}"


def transactions_disabled(settings: Settings) -> bool:
    """Whether the target switches transactions off (DuckDB's `disable_transactions`)."""
    return bool(getattr(_load_config(settings).credentials, "disable_transactions", False))


def resolve_audit_schema(settings: Settings, config: Any) -> str:
    """The schema of the audit store: as given, else as the manifest has it, else by dbt's default rule.

    `config` is dbt's RuntimeConfig.
    """
    if settings.audit_schema:
        return settings.audit_schema
    custom = _variable(config, "batch_audit_schema", "audit")
    default = f"{config.credentials.schema}_{custom}"
    return _schema_from_manifest(settings.project_dir, config, custom) or default


def _schema_from_manifest(project_dir: Path, config: Any, custom: str) -> str | None:
    """The schema that dbt resolved for our models, unless the manifest was made for another target.

    A manifest does not name its target. It is another's when none of the nodes that follow the target's
    schema lies in ours. A disabled model whose custom schema is not ours has it from what the project says of
    all models; the store does not follow that.
    """
    folder = os.environ.get("DBT_TARGET_PATH") or config.target_path or "target"
    try:
        manifest = json.loads((project_dir / folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    nodes = list((manifest.get("nodes") or {}).values())
    disabled = [node for versions in (manifest.get("disabled") or {}).values() for node in versions]
    following = {node.get("schema") for node in nodes if not (node.get("config") or {}).get("schema")}
    if following and config.credentials.schema not in following:
        return None
    usable = [node for node in disabled if (node.get("config") or {}).get("schema", custom) == custom]
    for node in nodes + usable:
        if node.get("package_name") == "batch_audit" and node.get("resource_type") == "model":
            return node.get("schema") or None
    return None


def _variable(config: Any, name: str, default: str) -> str:
    """A dbt variable by dbt's precedence: command line, `vars` for our package, the project's `vars`."""
    variables = config.vars.to_dict()
    for scope in (config.cli_vars, variables.get("batch_audit") or {}, variables):
        if name in scope:
            return str(scope[name])
    return default


def _load_config(settings: Settings) -> Any:
    """dbt's RuntimeConfig for the settings; imports the adapter that the profile names."""
    import dbt.flags
    import dbt.tracking
    from dbt.config.runtime import RuntimeConfig, load_profile, load_project
    from dbt_common.context import set_invocation_context
    from dbt_common.events.event_manager_client import cleanup_event_logger

    root = str(settings.project_dir)
    if not (settings.project_dir / "dbt_project.yml").is_file():
        raise ConfigurationError(
            f"No dbt_project.yml in {root}. Run the command inside a dbt project, or give --project-dir."
        )
    variables = _parse_vars(settings.vars)
    profiles_dir = str(settings.profiles_dir or _default_profiles_dir())
    flags = _Flags(PROFILES_DIR=profiles_dir, PROJECT_DIR=root, VERSION_CHECK=False, vars=variables)
    set_invocation_context(dict(os.environ))
    # dbt's default logger writes to stdout, which is for our JSON alone.
    cleanup_event_logger()
    dbt.flags.set_flags(flags)
    dbt.tracking.initialize_from_flags(False, profiles_dir)
    try:
        profile = load_profile(root, variables, settings.profile, settings.target, 1)
        project = load_project(root, False, profile, variables)
        return RuntimeConfig.from_parts(project, profile, flags)
    except Exception as error:  # besides its own errors, dbt trips over profiles of an unexpected shape
        raise ConfigurationError(
            f"The dbt project or its profile cannot be used: {_text(error)}\n"
            f"  project: {root}\n  profiles.yml looked for in: {profiles_dir}\n"
            "  Check with `dbt debug`, or give --profiles-dir, --profile or --target."
        ) from error


def _parse_vars(text: str | None) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"--vars is not valid YAML: {error}\n  Give a mapping: --vars '{{name: value}}'."
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"--vars is {text!r}, which is no YAML mapping. Write --vars '{{name: value}}'."
        )
    return value


def _default_profiles_dir() -> Path:
    """dbt's own rule: the working directory if it has a profiles.yml, else ~/.dbt."""
    return Path.cwd() if (Path.cwd() / "profiles.yml").is_file() else Path.home() / ".dbt"


def _prepare_duckdb(config: Any, project_dir: Path, create: bool) -> None:
    """Anchor relative files in the project's folder, where dbt works; release them with the last handle."""
    credentials = config.credentials
    credentials.keep_open = False
    credentials.path = _anchored(credentials.path, project_dir)
    for attachment in credentials.attach or ():
        attachment.path = _anchored(attachment.path, project_dir)
    if not create and _is_local_file(credentials.path) and not Path(credentials.path).exists():
        raise StoreMissingError(
            f"The DuckDB file {credentials.path} does not exist ({_target(config)}), so there is no audit"
            " store yet. Run a batch first: batch-audit run -- dbt build."
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

    credentials = config.credentials
    adapter: Any = get_adapter_class_by_name(credentials.type)(config, get_mp_context())

    def open_handle() -> Any:
        connection = Connection(type=credentials.type, name="batch_audit", credentials=credentials)
        with _connection_errors(config):
            return adapter.connections.open(connection).handle

    return open_handle, adapter.cleanup_connections


def _warehouse_class(engine: str) -> Any:
    """The class for an adapter. Raises ConfigurationError for an adapter that we do not know."""
    if engine == "duckdb":
        from batch_audit.warehouses.duckdb import DuckDBWarehouse

        return DuckDBWarehouse
    if engine == "postgres":
        from batch_audit.warehouses.postgres import PostgresWarehouse

        return PostgresWarehouse
    raise ConfigurationError(
        f"The profile uses the dbt adapter {engine!r}, and batch-audit works with {' and '.join(ENGINES)}."
        " Choose another target with --target."
    )


@contextmanager
def _connection_errors(config: Any) -> Iterator[None]:
    """Say what could not be opened, and who holds it."""
    try:
        yield
    except BatchAuditError:
        raise
    except (
        Exception
    ) as error:  # each driver has errors of its own; any of them means that we are not connected
        raise WarehouseError(_why_not_connected(config, _text(error))) from error


def _why_not_connected(config: Any, message: str) -> str:
    credentials = config.credentials
    if credentials.type == "postgres":
        server = f"{credentials.host}:{credentials.port}, database {credentials.database!r}"
        return (
            f"No connection to Postgres at {server} ({_target(config)}): {message}\n"
            "  Check that the server runs and that the profile is right: dbt debug."
        )
    holder = re.search(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", message)
    if holder:
        return (
            f"The DuckDB file {credentials.path} ({_target(config)}) is in use by process {holder['pid']}"
            f" ({holder['program']}), and DuckDB lets one process at a time write to a file."
            f" Wait until process {holder['pid']} has ended, then run the command again."
        )
    return f"The DuckDB database {credentials.path} ({_target(config)}) cannot be opened: {message}"


def _target(config: Any) -> str:
    return f"target {config.target_name!r} of profile {config.profile_name!r}"


def _text(error: BaseException) -> str:
    """The message on one line, without dbt's indentation."""
    message = " ".join(str(getattr(error, "msg", None) or error).split())
    return message or type(error).__name__
