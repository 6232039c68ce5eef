"""What functions do to a value: gather rows, pick one, hide it. Names for what sqlglot has no class for."""

from sqlglot import exp


def _classes(names: str) -> tuple[type, ...]:
    """The classes of these names that this version of sqlglot has."""
    return tuple(found for name in names.split() if (found := getattr(exp, name, None)) is not None)


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Of some row, unchanged: not aggregates, although sqlglot files them there.
PICKS = _classes("Lag Lead FirstValue LastValue NthValue")
# Aggregates alone, picks of a row with OVER.
PICKS_WITH_OVER = _classes("First Last")
# The order of rows, not a value of theirs.
RANKS = _classes("RowNumber Rank DenseRank PercentRank CumeDist Ntile Grouping GroupingId")
# Sorted rows are the argument itself, not only an order.
INVERSE_DISTRIBUTIONS = _classes("PercentileCont PercentileDisc Mode Quantile ApproxQuantile Median")
COUNTS = _classes("Count CountIf ApproxDistinct Hll RegrCount")
HASHES = _classes(
    "MD5 MD5Digest MD5NumberLower64 MD5NumberUpper64 SHA SHA1Digest SHA2 SHA2Digest StandardHash FarmFingerprint "
    "CityHash64 HashAgg Minhash MinhashCombine"
)

RANK_NAMES = _words("row_number rank dense_rank percent_rank cume_dist ntile grouping grouping_id")
PICK_NAMES = frozenset(["lag", "lead", "first_value", "last_value", "nth_value"])
COUNT_NAMES = _words(
    "count count_if countif count_big count_star approx_count_distinct approx_distinct ndv "
    "uniq uniqexact hll_count_init hll_count.init regr_count"
)
HASH_NAMES = _words(
    "md5 md5_hex md5_binary md5_digest md5_number md5_number_lower md5_number_lower64 "
    "md5_number_upper64 sha sha1 sha1_hex sha1_binary sha2 sha2_hex sha2_binary sha224 sha256 "
    "sha384 sha512 hash hash_agg hashbytes digest hmac crc32 crc64 xxhash32 xxhash64 xxh3 "
    "murmurhash murmur_hash murmurhash3_32 murmur3_32_hash siphash24 siphash64 cityhash64 "
    "farm_fingerprint fnv1_hash fnv_hash fnvhash func_sha1 func_md5 checksum binary_checksum "
    "standard_hash ora_hash hashtext hashtextextended strtol_hash hash_value md5_to_uuid"
)
AGGREGATE_NAMES = _words(
    "arbitrary argmax argmin arg_max arg_min array_agg array_concat_agg array_union_agg "
    "array_unique_agg avg avgif bit_and bit_or bit_xor bitmap_construct_agg bitmap_or_agg "
    "bitstring_agg bool_and bool_or checksum_agg collect_list collect_set corr covar_pop "
    "covar_samp entropy every favg first last fsum geometric_mean geomean group_concat "
    "histogram hll_sketch_agg json_agg json_agg_strict json_arrayagg json_group_array "
    "json_group_object json_group_structure json_object_agg json_objectagg jsonb_agg "
    "jsonb_object_agg kahan_sum kurtosis kurtosis_pop list listagg logical_and logical_or mad "
    "map_agg max max_by mean median merge min min_by mode multimap_agg object_agg percentile "
    "percentile_approx percentile_cont percentile_disc product quantile quantile_cont "
    "quantile_disc approx_percentile approx_quantile approx_quantiles approx_top_count "
    "approx_top_k approx_top_sum range_agg range_intersect_agg reservoir_quantile sem "
    "skewness st_collect st_extent st_union_agg stddev stddev_pop stddev_samp stdev stdevp "
    "string_agg sum sumif sumkahan var var_pop var_samp variance varp weighted_avg wm_concat "
    "xmlagg any_value approx_top_k_agg median_cont"
)
# Rows out of one value: the number of rows depends on it.
ROW_MAKERS = _classes("Explode ExplodeOuter Posexplode PosexplodeOuter Inline Unnest Stack JSONTable")
ROW_MAKER_NAMES = _words(
    "unnest explode explode_outer posexplode posexplode_outer inline inline_outer flatten "
    "json_each json_tree stack json_array_elements json_array_elements_text "
    "jsonb_array_elements jsonb_array_elements_text json_table jsonb_each jsonb_each_text "
    "json_each_text jsonb_to_recordset json_to_recordset jsonb_to_record json_to_record "
    "jsonb_object_keys json_object_keys jsonb_path_query regexp_split_to_table regexp_matches "
    "string_to_table string_split split_to_table strtok_split_to_table generate_series "
    "generate_subscripts generate_array generate_date_array generate_timestamp_array range "
    "sequence generator json_tuple openjson arrayjoin"
)
# Those that make rows where a value is expected; others give a list there.
PROJECTED_ROW_MAKERS = ROW_MAKER_NAMES - _words(
    "flatten range sequence generator generate_array generate_date_array "
    "generate_timestamp_array string_split json_tuple json_each json_tree openjson json_table "
    "regexp_matches"
)
FILE_READERS = _classes("ReadCSV ReadParquet")
FILE_READER_NAMES = _words(
    "read_csv read_csv_auto read_parquet parquet_scan read_json read_json_auto read_ndjson "
    "read_text read_blob read_files delta_scan iceberg_scan read_xlsx st_read sniff_csv"
)


def name_of(node: exp.Expr) -> str:
    """A function's name in lower case, whether sqlglot has a class for it or not."""
    if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc, exp.CombinedAggFunc)):
        name = node.args.get("this")
        return (name if isinstance(name, str) else getattr(name, "name", "")).lower()
    return node.key if isinstance(node, exp.Func) else ""


def is_row_maker(node: exp.Expr | None) -> bool:
    """Whether this function gives several rows for one."""
    if isinstance(node, ROW_MAKERS):
        return True
    return isinstance(node, exp.Anonymous) and name_of(node) in ROW_MAKER_NAMES
