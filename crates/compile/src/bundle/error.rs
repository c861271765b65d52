//! Why a module can't be bundled or read. Each message says what to do.

use understudy_core::digest;
use understudy_core::table::TableError;

/// Why a module can't be bundled or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The first bytes aren't those of a WebAssembly module.
    #[error("this is no WebAssembly module; give a filter.wasm")]
    NotWasm,
    /// The module ends too early.
    #[error("the module is cut off after {length} bytes; copy or download it again")]
    Truncated {
        /// How many bytes there are.
        length: u64,
    },
    /// The bytes begin like a module and aren't a valid one.
    #[error("the module is damaged: {problem}; copy it again, or bundle the snapshot again")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// A module, but not Understudy's filter.
    #[error(
        "this module isn't Understudy's filter: {missing}; start from the filter.wasm that comes with understudy"
    )]
    Foreign {
        /// What the filter has and this module hasn't.
        missing: &'static str,
    },
    /// The module to bundle already carries a table.
    #[error(
        "the module already carries a table (snapshot `{snapshot}`, digest {}), and a module takes one only; \
         start from the plain filter.wasm",
        digest::hex(.digest)
    )]
    TwoTables {
        /// The table's digest.
        digest: digest::Digest,
        /// The name of the snapshot that it was made of.
        snapshot: String,
    },
    /// Two snapshots of one name, of which nobody could choose one.
    #[error("two of the snapshots are called `{snapshot}`: change `name` in one's snapshot.yaml")]
    OneName {
        /// The name.
        snapshot: String,
    },
    /// The section that describes the table has a version that this reader doesn't know.
    #[error("the module's description has format {0}, this understudy reads format {format}; use the understudy that made it, or bundle the snapshot again", format = super::abi::FORMAT)]
    Format(u64),
    /// The description and the bytes don't fit.
    #[error("the module's description doesn't fit what it carries: {problem}; bundle the snapshot again")]
    Mismatch {
        /// What doesn't fit.
        problem: &'static str,
    },
    /// The finished module is longer than Envoy takes.
    #[error("the module would have {length} bytes, and Envoy loads {limit} at most; leave exchanges out of the snapshot", limit = super::abi::ENVOY_LIMIT)]
    TooLong {
        /// The module's length, or the table's where that is too long by itself.
        length: u64,
    },
    /// The table can't be used.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl BundleError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm => "module-magic",
            Self::Truncated { .. } => "module-truncated",
            Self::Malformed { .. } => "module-malformed",
            Self::Foreign { .. } => "module-foreign",
            Self::TwoTables { .. } => "module-two-tables",
            Self::OneName { .. } => "module-one-name",
            Self::Format(_) => "module-format",
            Self::Mismatch { .. } => "module-mismatch",
            Self::TooLong { .. } => "module-too-long",
            Self::Table(error) => error.code(),
        }
    }

    pub(super) fn malformed(problem: impl std::fmt::Display) -> Self {
        Self::Malformed { problem: problem.to_string() }
    }
}
