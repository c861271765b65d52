//! The offline matcher: gives requests to the same engine that the filter runs, with the table in memory.

use understudy_core::config::Config;
use understudy_core::engine::{MemoryHost, Stream, Vm};
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::outbox::CollectorReply;
use understudy_core::table::{Table, TableError};
use understudy_core::v1::{self, LineError, Record};

/// Why a request can't be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError {
    /// The table can't be opened.
    #[error("can't open the table")]
    Table(#[from] TableError),
    /// The request goes to what is no backend.
    #[error("{0:?} is no backend: it must be scheme://host[:port]")]
    Backend(String),
    /// The engine doesn't take its configuration.
    #[error("the engine refuses its configuration: {0}")]
    Config(String),
    /// What the engine says can't be read.
    #[error("the verdict can't be read")]
    Verdict(#[from] LineError),
}

impl MatchError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Table(_) => "match-table",
            Self::Backend(_) => "match-backend",
            Self::Config(_) => "match-config",
            Self::Verdict(_) => "match-verdict",
        }
    }
}

/// Judges requests as the filter would, one after the other.
pub struct Matcher<'a> {
    vm: Vm<&'a [u8]>,
    host: MemoryHost,
}

impl<'a> Matcher<'a> {
    /// A matcher that answers from a table.
    ///
    /// # Errors
    /// [`MatchError::Table`] where it is none.
    pub fn new(table: &'a [u8]) -> Result<Self, MatchError> {
        let table = Table::open(table)?;
        Self::with(table, "")
    }

    /// One that refuses whatever doesn't match, wherever the snapshot lets it through: what is nearest is told then.
    ///
    /// # Errors
    /// [`MatchError::Table`] where it is none.
    pub fn refusing(table: &'a [u8]) -> Result<Self, MatchError> {
        Self::with(Table::open(table)?, r#","on_miss":"fail""#)
    }

    /// A matcher that counts matches which rest on an assumption as misses.
    ///
    /// # Errors
    /// [`MatchError::Table`] if the table can't be opened.
    pub fn strict(table: &'a [u8]) -> Result<Self, MatchError> {
        Self::with(Table::open(table)?, r#","strict":true"#)
    }

    fn with(table: Table<&'a [u8]>, more: &str) -> Result<Self, MatchError> {
        // The collector is never called: the verdicts are taken out of the outbox, as it would send them.
        let config = format!(
            r#"{{"default":"mock","collector":{{"cluster":"none","batch_max_bytes":1024,"queue_max_bytes":1073741824}},
            "body_cap_bytes":268435456,"grpc_stub":true,"memory_max_bytes":1073741824{more}}}"#
        );
        let config =
            Config::from_json(config.as_bytes()).map_err(|error| MatchError::Config(error.to_string()))?;
        Ok(Self { vm: Vm::new(&config, table, "match".to_owned()), host: MemoryHost::default() })
    }

    /// The verdict on a request. `None`: its backend isn't mocked.
    ///
    /// # Errors
    /// [`MatchError::Backend`] where its backend isn't one.
    pub fn judge(&mut self, exchange: &Exchange) -> Result<Option<Record>, MatchError> {
        let request = &exchange.request;
        let Some((scheme, authority)) = exchange.backend.split_once("://") else {
            return Err(MatchError::Backend(exchange.backend.clone()));
        };
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", &request.method),
            (b":path", &request.path),
            (b":scheme", scheme.as_bytes()),
            (b":authority", authority.as_bytes()),
        ];
        let headers = Headers::from_pairs(pseudo.into_iter().chain(request.headers.iter()));
        self.host.clock = exchange.time;
        self.host.protocol.clone_from(&exchange.protocol);
        self.host.body.clone_from(&request.body.bytes);
        let (length, mut stream) = (request.body.bytes.len(), Stream::new());
        stream.request_headers(headers, length == 0, &mut self.vm, &mut self.host);
        if length > 0 {
            stream.request_body(length, true, &mut self.vm, &mut self.host);
        }
        stream.end(&mut self.vm, &mut self.host);
        self.take_verdict(exchange)
    }

    fn take_verdict(&mut self, exchange: &Exchange) -> Result<Option<Record>, MatchError> {
        let Some(outbox) = self.vm.outbox() else { return Ok(None) };
        // Late enough for every batch to be due.
        let now = exchange.time / 1000 + 1_000_000;
        let Some((seq, bytes)) = outbox.next(now) else { return Ok(None) };
        let line = bytes.split(|&b| b == b'\n').nth(1).unwrap_or_default();
        let mut record = v1::read_record(line)?;
        outbox.replied(seq, CollectorReply::Acknowledged, now);
        record.exchange.id.clone_from(&exchange.id);
        Ok(Some(record))
    }
}
