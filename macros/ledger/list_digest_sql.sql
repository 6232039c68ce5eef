{#
  A query for one digest over many: the SHA-256 over the sorted SHA-256 of each 256th (by the first two digits) of the
  sorted digests that a select gives as `digest`; NULL when it gives none.
#}
{% macro list_digest_sql(digests) %}
    {% set joined = batch_audit.sha256_hex(batch_audit.ordered_concat("digest", "digest")) %}
    select {{ joined }} as digest
    from (select {{ joined }} as digest from ({{ digests }}) as d group by left(digest, 2)) as g
{% endmacro %}
