//! Runs the filter's engine on one request at a time, each as if it were the first.

use understudy_core::config::Config;
use understudy_core::engine::{Action, Fixup, MemoryHost, Reply, STUB_HEADER, Stream, Vm};
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::outbox::CollectorReply;
use understudy_core::table::Table;
use understudy_core::v1;

/// The engine with a table.
pub(super) struct Engine<'a> {
    vm: Vm<&'a [u8]>,
    host: MemoryHost,
    /// Far ahead of all requests, and further with each: batches are due.
    late: u64,
}

impl<'a> Engine<'a> {
    pub(super) fn new(table: &'a [u8]) -> Self {
        // A miss that passes through isn't explained; explaining would take most of the time.
        let config = br#"{"default":"mock","on_miss":"passthrough","grpc_stub":true,"body_cap_bytes":268435456,"memory_max_bytes":1073741824,
            "collector":{"cluster":"none","batch_max_bytes":1024,"queue_max_bytes":1073741824}}"#;
        let config = Config::from_json(config).expect("a configuration");
        let table = Table::open(table).expect("a table");
        Self {
            vm: Vm::new(&config, table, "mutation".to_owned()),
            host: MemoryHost::default(),
            late: 1 << 45,
        }
    }

    /// Identifier of the recorded exchange that answers a request, with the answer; `None` for a
    /// miss.
    pub(super) fn ask(&mut self, exchange: &Exchange) -> Option<(String, Reply)> {
        let request = &exchange.request;
        let (scheme, authority) = exchange.backend.split_once("://").expect("a backend");
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", &request.method),
            (b":path", &request.path),
            (b":scheme", scheme.as_bytes()),
            (b":authority", authority.as_bytes()),
        ];
        let headers = Headers::from_pairs(pseudo.into_iter().chain(request.headers.iter()));
        // A new host for each request: nothing is remembered from the one before.
        self.host = MemoryHost { clock: exchange.time, ..MemoryHost::with_body(request.body.bytes.clone()) };
        let (length, mut stream) = (request.body.bytes.len(), Stream::new());
        let mut action = stream.request_headers(headers, length == 0, &mut self.vm, &mut self.host);
        if length > 0 {
            action = stream.request_body(length, true, &mut self.vm, &mut self.host);
        }
        let reply = match action {
            Action::Reply(reply) => Some(reply),
            Action::Stub(_) => Some(self.of_the_stub(&mut stream)),
            Action::Continue | Action::Hold | Action::Delay(_) | Action::Reset => None,
        };
        stream.end(&mut self.vm, &mut self.host);
        let matched = self.matched();
        reply.map(|reply| (matched.expect("an answer comes from an exchange"), reply))
    }

    /// Result of the stub's answer.
    fn of_the_stub(&mut self, stream: &mut Stream) -> Reply {
        let came = || Headers::from_pairs([(":status", "200"), (STUB_HEADER, "1")]);
        let Fixup::Replace(headers) = stream.response_headers(came, false, &mut self.vm, &mut self.host)
        else {
            panic!("the recorded headers take the place of the stub's");
        };
        let Fixup::ReplaceBody(body, _) = stream.response_body(1, true, &mut self.vm, &mut self.host) else {
            panic!("the recorded body takes the place of the stub's");
        };
        let status =
            headers.get(b":status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        Reply { status: status.expect("a status"), headers, body, grpc_status: None }
    }

    fn matched(&mut self) -> Option<String> {
        self.late += 1_000_000;
        let outbox = self.vm.outbox().expect("an outbox");
        let (seq, bytes) = outbox.next(self.late).expect("a verdict on each request");
        let line = bytes.split(|&b| b == b'\n').nth(1).unwrap_or_default();
        let record = v1::read_record(line).expect("a verdict");
        outbox.replied(seq, CollectorReply::Acknowledged, self.late);
        record.verdict.expect("a verdict").matched.map(|matched| matched.exchange)
    }
}
