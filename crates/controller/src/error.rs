//! Failures of the controller. A failed reconciliation is retried.

/// A failure of the controller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server refused a request, or couldn't be reached.
    #[error("{attempt}: {}", text(.source))]
    Api {
        /// The attempt, such as "reading Job payments/a".
        attempt: String,
        /// The client's error.
        #[source]
        source: Box<kube::Error>,
    },
    /// The address for metrics and probes can't be listened on.
    #[error("can't listen on {address}: {source}; name another address with --metrics")]
    Listen {
        /// The address.
        address: String,
        /// The system's error.
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

    /// Returns whether the object has changed since it was read. Nothing is wrong: the attempt is
    /// repeated with the new object.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == "api-conflict"
    }
}

/// The API server's message with its status, or all causes of a client's error.
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

/// Adds the attempt to a client's error.
pub(crate) trait Attempting<T> {
    fn attempting(self, attempt: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Attempting<T> for Result<T, kube::Error> {
    fn attempting(self, attempt: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Api { attempt: attempt(), source: Box::new(source) })
    }
}
