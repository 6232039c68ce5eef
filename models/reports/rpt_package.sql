{{ config(**batch_audit.view_config()) }}

select
    cast('{{ batch_audit.package_version() }}' as text) as package_version, cast('v1' as text) as store_format
