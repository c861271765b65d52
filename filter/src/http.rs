//! One stream: Envoy's callbacks in, engine calls out, the engine's actions back to Envoy.

use crate::host::{self, Current};
use crate::root::Shared;
use crate::timer::{Place, Waiter};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action as Flow, BufferType, MapType};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use understudy_core::engine::{Action, Fixup, Reply, Stream};
use understudy_core::headers::Headers;

/// One stream.
#[derive(Debug)]
pub(crate) struct HttpStream {
    /// The number that Envoy knows this context by.
    id: u32,
    /// `None` where the configuration was refused; Envoy doesn't send streams then.
    shared: Option<Rc<RefCell<Shared>>>,
    stream: Machine,
    /// True if the stream can be ignored: nothing is tapped or mocked here.
    idle: bool,
    /// Its place in the timer, if it has waited.
    place: Option<Place>,
}

/// State machine of a stream. Most streams never wait, and theirs needs no allocation.
#[derive(Debug)]
enum Machine {
    Own(Stream),
    /// The timer knows it too.
    Waits(Rc<RefCell<Stream>>),
}

impl HttpStream {
    /// A stream of the VM that shares this.
    pub(crate) fn new(id: u32, shared: Option<Rc<RefCell<Shared>>>) -> Self {
        let idle = shared.as_ref().is_some_and(|shared| shared.borrow().vm.is_idle());
        Self { id, shared, stream: Machine::Own(Stream::new()), idle, place: None }
    }

    fn step<T>(&mut self, step: impl FnOnce(&mut Stream, &mut Shared) -> T) -> Option<T> {
        let shared = &mut *self.shared.as_ref()?.borrow_mut();
        Some(match &mut self.stream {
            Machine::Own(stream) => step(stream, shared),
            Machine::Waits(stream) => step(&mut stream.borrow_mut(), shared),
        })
    }

    fn request(&mut self, step: impl FnOnce(&mut Stream, &mut Shared) -> Action) -> Flow {
        match self.step(step) {
            Some(Action::Continue) => Flow::Continue,
            Some(Action::Delay(micros)) => {
                self.wait(Duration::from_micros(micros));
                Flow::Pause
            }
            Some(Action::Stub(headers)) => match to_the_stub(&headers) {
                true => Flow::Continue,
                false => Flow::Pause,
            },
            Some(action) => {
                act(action);
                Flow::Pause
            }
            None => Flow::Pause,
        }
    }

    fn wait(&mut self, wait: Duration) {
        let machine = std::mem::replace(&mut self.stream, Machine::Own(Stream::new()));
        let stream = match machine {
            Machine::Own(stream) => Rc::new(RefCell::new(stream)),
            Machine::Waits(stream) => stream,
        };
        self.stream = Machine::Waits(stream.clone());
        let waiter = Waiter { context: self.id, stream };
        self.place = self.shared.as_ref().map(|shared| shared.borrow_mut().timer.add(waiter, wait));
    }

    fn response(&mut self, step: impl FnOnce(&mut Stream, &mut Shared) -> Fixup) -> Flow {
        match self.step(step) {
            None | Some(Fixup::None) => {}
            Some(Fixup::Remove(names)) => {
                for name in names {
                    host::remove_header(MapType::HttpResponseHeaders, name.as_bytes());
                }
            }
            Some(Fixup::Replace(headers)) => host::set_headers(MapType::HttpResponseHeaders, &headers),
            Some(Fixup::AddTrailers(trailers)) => host::add_headers(MapType::HttpResponseTrailers, &trailers),
            Some(Fixup::ReplaceBody(bytes, trailers)) => {
                if !host::set_buffer(BufferType::HttpResponseBody, &bytes) {
                    log::error!("understudy: Envoy refused the body of an answer");
                }
                host::add_headers(MapType::HttpResponseTrailers, &trailers);
            }
            Some(Fixup::Cut) => {
                host::cut();
                return Flow::Pause;
            }
        }
        Flow::Continue
    }
}

/// Applies the engine's action to a held request.
pub(crate) fn act(action: Action) {
    match action {
        Action::Continue => host::go_on(),
        Action::Hold | Action::Delay(_) => {}
        Action::Reset => host::reset(),
        Action::Stub(headers) => {
            if to_the_stub(&headers) {
                host::go_on();
            }
        }
        Action::Reply(reply) => {
            if !host::send(&reply) {
                // The request isn't forwarded even so: a mocked backend is never reached.
                log::error!("understudy: Envoy refused an answer with status {}", reply.status);
            }
        }
    }
}

/// Turns a request into one for the stub. Returns `false` if it must not be forwarded; it has then
/// been answered.
fn to_the_stub(headers: &Headers) -> bool {
    if !host::replace_headers(MapType::HttpRequestHeaders, headers) {
        log::error!("understudy: Envoy refused to send a gRPC request to its stub");
        host::send(&Reply { status: 503, ..Reply::default() });
        return false;
    }
    host::set_buffer(BufferType::HttpRequestBody, b"");
    true
}

impl Context for HttpStream {}

impl HttpContext for HttpStream {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Flow {
        if self.idle {
            return Flow::Continue;
        }
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

/// The end of a stream: Envoy deletes the context of each stream exactly once, whatever its
/// outcome, and the SDK then drops this value. `on_log` would give the same at the cost of one more
/// call into the VM.
impl Drop for HttpStream {
    fn drop(&mut self) {
        let place = self.place.take();
        self.step(|stream, shared| {
            if let Some(place) = place {
                shared.timer.remove(place);
            }
            stream.end(&mut shared.vm, &mut Current);
            shared.tell_records();
        });
    }
}
