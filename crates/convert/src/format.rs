//! The formats that can be imported and exported.

use std::fmt;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Speedscale's and proxymock's RRPairs: Markdown, or JSON Lines.
    Rrpair,
    /// HTTP Archive 1.1 and 1.2.
    Har,
    /// WireMock's stub mappings.
    Wiremock,
    /// Hoverfly's simulations, schema 5.
    Hoverfly,
}

impl Format {
    /// All of them, for messages.
    pub(crate) fn names() -> &'static str {
        "rrpair, har, wiremock, hoverfly"
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rrpair => "RRPair",
            Self::Har => "HAR",
            Self::Wiremock => "WireMock",
            Self::Hoverfly => "Hoverfly",
        })
    }
}

/// A format that is exported as one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// RRPairs, one a line.
    RrpairJsonl,
    /// HTTP Archive 1.2.
    Har,
    /// A Hoverfly simulation, schema 5.2.
    Hoverfly,
}

/// A format that is exported as a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFormat {
    /// RRPairs, one Markdown file each, in a folder for each host.
    RrpairMd,
    /// WireMock's `mappings` and `__files`, in a folder for each backend.
    Wiremock,
}
