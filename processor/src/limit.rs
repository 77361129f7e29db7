//! Every bound of the processor that no option sets, and how the bounds relate. What a statement may be is counted in `sql::bounds`.

// Statements

/// The longest text of a statement.
pub(crate) const STATEMENT_BYTES_MAX: usize = 256 * 1024;
/// Operators: a thousand comparisons with OR between them.
pub(crate) const OPERATORS_MAX: usize = 2_000;
/// Parts: SELECTs, set operations and joins.
pub(crate) const PARTS_MAX: usize = 200;
/// The same when each name of WITH counts as all that it stands for, wherever it is read: DataFusion puts it in there.
pub(crate) const PARTS_WRITTEN_OUT_MAX: usize = 1_000;
/// Parentheses and brackets in one another. The parser has its own, lower bound for most of them.
pub(crate) const PARENTHESES_MAX: usize = 100;
/// Calls in one another of which the parser tries two forms: every one doubles how often it reads what is inside.
pub(crate) const TRIED_TWICE_MAX: usize = 12;
/// CASEs in one another: below the parser's own bound, which it tells of as a missing end.
pub(crate) const CASES_MAX: usize = 40;
/// What a name has before its last part: catalog, schema and table.
pub(crate) const NAME_DOTS_MAX: usize = 3;
/// Arrays and structs in one another. Arrow and DataFusion walk a type by recursion.
pub(crate) const TYPE_NESTING_MAX: usize = 64;

const _: () = assert!(PARTS_MAX < PARTS_WRITTEN_OUT_MAX && PARTS_WRITTEN_OUT_MAX < OPERATORS_MAX);

// Sources

/// What a batch takes in of a backlog, and the most that one fetch brings, over all partitions.
pub(crate) const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The least that a fetch may bring of a partition: a few batches of records, as clients make them.
pub(crate) const PARTITION_FETCH_BYTES_MIN: usize = 64 * 1024;
/// What it may bring of one at most when batches turn out to be larger.
pub(crate) const PARTITION_FETCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What a fetch may bring for the partitions that are behind, however much is there of the others.
pub(crate) const BEHIND_FETCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep arrays and objects of a value may lie in one another; Jackson, which Spark reads JSON with, has the same bound. Arrow's decoder
/// writes a value of the wrong type into its error, and that by recursion: 300 bytes of stack a level in a debug build.
pub(crate) const JSON_NESTING_MAX: usize = 1000;

// A batch holds a fetch of each kind, and values are nested deeper than any type that reads them.
const _: () = assert!(PARTITION_FETCH_BYTES_MIN < PARTITION_FETCH_BYTES_MAX && PARTITION_FETCH_BYTES_MAX < BEHIND_FETCH_BYTES_MAX);
const _: () = assert!(BEHIND_FETCH_BYTES_MAX < BATCH_BYTES_MAX && TYPE_NESTING_MAX < JSON_NESTING_MAX);

// Results

/// Deliveries that are not waited for yet.
pub(crate) const DELIVERIES_UNDER_WAY_MAX: usize = 10_000;
/// The most rows that it reads.
pub(crate) const SELECTED_ROWS_MAX: usize = 10_000_000;

// State

/// A snapshot is due when the deltas since the last one outweigh it, but never before this many.
pub(crate) const DELTAS_PER_SNAPSHOT_MIN: i64 = 10;
