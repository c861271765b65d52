//! Exchanges written by hand, as if they had been recorded.

use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;

/// An exchange in the making.
#[derive(Clone, Debug)]
pub struct Recorded {
    exchange: Exchange,
    request_headers: Vec<(String, Vec<u8>)>,
    response_headers: Vec<(String, Vec<u8>)>,
    trailers: Vec<(String, Vec<u8>)>,
}

/// A request to `backend` (`http://host`) with an empty answer with status 200.
pub fn recorded(method: &str, backend: &str, path: &str) -> Recorded {
    let request = Request { method: method.into(), path: path.into(), ..Request::default() };
    let response = Some(Response { status: 200, ..Response::default() });
    Recorded {
        exchange: Exchange { backend: backend.to_owned(), request, response, ..Exchange::default() },
        request_headers: Vec::new(),
        response_headers: Vec::new(),
        trailers: Vec::new(),
    }
}

impl From<Exchange> for Recorded {
    fn from(mut exchange: Exchange) -> Self {
        let pairs = |headers: &Headers| {
            let pairs = headers.iter().map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.to_vec()));
            pairs.collect::<Vec<_>>()
        };
        let response = exchange.response.get_or_insert_default();
        let (response_headers, trailers) = (pairs(&response.headers), pairs(&response.trailers));
        let request_headers = pairs(&exchange.request.headers);
        Self { exchange, request_headers, response_headers, trailers }
    }
}

impl Recorded {
    /// Adds a header to the request.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request_headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the request's body.
    #[must_use]
    pub fn sent(mut self, body: impl AsRef<[u8]>) -> Self {
        self.exchange.request.body.bytes = body.as_ref().to_vec();
        self
    }

    /// Sets how long it took to the first byte of the answer, in microseconds.
    #[must_use]
    pub fn took(mut self, micros: u64) -> Self {
        self.exchange.first_byte = Some(micros);
        self
    }

    /// Sets the status that was answered.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.response().status = status;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.response_headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the answer's body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.response().body = Body { bytes: body.as_ref().to_vec(), truncated: None };
        self
    }

    /// Adds a trailer to the answer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// The exchange, numbered: the number is its time too.
    pub fn exchange(mut self, number: u64) -> Exchange {
        self.exchange.id = number.to_string();
        self.exchange.time = number;
        self.exchange.request.headers = Headers::from_pairs(std::mem::take(&mut self.request_headers));
        let (headers, trailers) =
            (std::mem::take(&mut self.response_headers), std::mem::take(&mut self.trailers));
        self.response().headers = Headers::from_pairs(headers);
        self.response().trailers = Headers::from_pairs(trailers);
        self.exchange
    }

    fn response(&mut self) -> &mut Response {
        self.exchange.response.get_or_insert_default()
    }
}
