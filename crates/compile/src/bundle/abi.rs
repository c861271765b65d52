//! The names by which the compiled filter and its table meet, the version of the description, and
//! the limits of a module.

/// The custom section that says what a module carries.
pub const SECTION: &str = "understudy.table";
/// The module that the compiled filter imports its table from.
pub const IMPORT_MODULE: &str = "understudy";
/// `() -> u32`: the table's length in bytes, as the compiled filter imports it.
pub const IMPORT_LENGTH: &str = "table_length";
/// `(offset: u32, to: *mut u8, length: u32)`: copies bytes of the table, as the compiled filter
/// imports it.
pub const IMPORT_READ: &str = "table_read";
/// Name under which [`IMPORT_LENGTH`] is exported once it has a body.
pub const EXPORT_LENGTH: &str = "understudy_table_length";
/// Name under which [`IMPORT_READ`] is exported once it has a body.
pub const EXPORT_READ: &str = "understudy_table_read";
/// The longest module that Envoy loads, in bytes (V8's `kV8MaxWasmModuleSize`).
pub const ENVOY_LIMIT: u64 = 1 << 30;
/// The longest filter without a table that is taken, in bytes: rewriting one takes many times its
/// length in memory.
pub const FILTER_LIMIT: usize = 16 << 20;
/// The description's format.
pub const FORMAT: u64 = 1;
