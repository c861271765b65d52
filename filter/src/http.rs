//! One stream: Envoy's callbacks in, engine calls out, the engine's actions back to Envoy.

use crate::host::{self, Current};
use crate::root::Shared;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action as Flow, BufferType, MapType};
use std::cell::RefCell;
use std::rc::Rc;
use understudy_core::engine::{Action, Fixup, Reply, Stream};
use understudy_core::headers::Headers;

/// One stream.
#[derive(Debug)]
pub(crate) struct HttpStream {
    /// `None` where the configuration was refused; Envoy doesn't send streams then.
    shared: Option<Rc<RefCell<Shared>>>,
    stream: Stream,
}

impl HttpStream {
    /// A stream of the VM that shares this.
    pub(crate) fn new(shared: Option<Rc<RefCell<Shared>>>) -> Self {
        Self { shared, stream: Stream::new() }
    }

    fn request(&mut self, step: impl FnOnce(&mut Stream, &mut Shared) -> Action) -> Flow {
        let Some(shared) = &self.shared else { return Flow::Pause };
        let action = step(&mut self.stream, &mut shared.borrow_mut());
        match action {
            Action::Continue => Flow::Continue,
            Action::Hold => Flow::Pause,
            Action::Reply(reply) => {
                if !host::send(&reply) {
                    // Nothing goes on all the same: a mocked backend is never touched.
                    log::error!("understudy: Envoy refused an answer with status {}", reply.status);
                }
                Flow::Pause
            }
            Action::Stub(headers) => to_the_stub(&headers),
        }
    }

    fn response(&mut self, step: impl FnOnce(&mut Stream, &mut Shared) -> Fixup) -> Flow {
        if let Some(shared) = &self.shared {
            match step(&mut self.stream, &mut shared.borrow_mut()) {
                Fixup::None => {}
                Fixup::Remove(names) => {
                    for name in names {
                        host::remove_header(MapType::HttpResponseHeaders, name.as_bytes());
                    }
                }
                Fixup::Replace(headers) => host::set_headers(MapType::HttpResponseHeaders, &headers),
                Fixup::AddTrailers(trailers) => host::add_headers(MapType::HttpResponseTrailers, &trailers),
                Fixup::ReplaceBody(bytes, trailers) => {
                    if !host::set_buffer(BufferType::HttpResponseBody, &bytes) {
                        log::error!("understudy: Envoy refused the messages of an answer");
                    }
                    host::add_headers(MapType::HttpResponseTrailers, &trailers);
                }
            }
        }
        Flow::Continue
    }
}

/// Sends a request to the stub. Nothing of it may go on as it was.
fn to_the_stub(headers: &Headers) -> Flow {
    if !host::replace_headers(MapType::HttpRequestHeaders, headers) {
        log::error!("understudy: Envoy refused to lead a gRPC request to its stub");
        host::send(&Reply { status: 503, ..Reply::default() });
        return Flow::Pause;
    }
    host::set_buffer(BufferType::HttpRequestBody, b"");
    Flow::Continue
}

impl Context for HttpStream {}

impl HttpContext for HttpStream {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Flow {
        self.request(|stream, shared| {
            let headers = host::headers(MapType::HttpRequestHeaders);
            stream.request_headers(headers, ended, &mut shared.vm, &mut Current)
        })
    }

    fn on_http_request_body(&mut self, length: usize, ended: bool) -> Flow {
        self.request(|stream, shared| stream.request_body(length, ended, &mut shared.vm, &mut Current))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Flow {
        self.request(|stream, shared| {
            let trailers = || host::headers(MapType::HttpRequestTrailers);
            stream.request_trailers(trailers, &mut shared.vm, &mut Current)
        })
    }

    fn on_http_response_headers(&mut self, _count: usize, ended: bool) -> Flow {
        self.response(|stream, shared| {
            let headers = || host::headers(MapType::HttpResponseHeaders);
            stream.response_headers(headers, ended, &mut shared.vm, &mut Current)
        })
    }

    fn on_http_response_body(&mut self, length: usize, ended: bool) -> Flow {
        self.response(|stream, shared| stream.response_body(length, ended, &mut shared.vm, &mut Current))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Flow {
        self.response(|stream, _| {
            stream.response_trailers(|| host::headers(MapType::HttpResponseTrailers));
            Fixup::None
        })
    }
}

/// The end: Envoy deletes a stream's context exactly once, whatever became of the stream, and the SDK drops this with it. `on_log` would say the
/// same for the price of one more call into the VM.
impl Drop for HttpStream {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let shared = &mut *shared.borrow_mut();
            self.stream.end(&mut shared.vm, &mut Current);
            shared.tell_records();
        }
    }
}
