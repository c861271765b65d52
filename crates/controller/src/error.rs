//! Why a resource couldn't be brought to what it says. All of these are tried again.

/// Why a resource couldn't be brought to what it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server refuses something, or can't be reached.
    #[error("{doing}: {}", text(.source))]
    Api {
        /// What was tried.
        doing: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Nobody can be told of the metrics and of health.
    #[error("can't listen on {address}: {source}; name another address with --metrics")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 409 => "api-conflict",
                kube::Error::Api(status) if status.code == 403 => "api-forbidden",
                kube::Error::Api(status) if status.code == 404 => "api-not-found",
                kube::Error::Api(_) => "api-refused",
                _ => "api-unreachable",
            },
            Self::Listen { .. } => "listen",
        }
    }

    /// Somebody else has changed it since it was read: nothing is wrong, it's done again.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == "api-conflict"
    }
}

/// What the API server said, without its form.
fn text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}

/// Says what was tried when something failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Api { doing: what(), source: Box::new(source) })
    }
}
