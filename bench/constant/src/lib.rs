//! A filter that answers every request with the same bytes once it is whole, and looks at nothing:
//! the yardstick for a mock.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Constant) });
}}

struct Constant;

impl Constant {
    fn answer(&self, ended: bool) -> Action {
        if ended {
            let headers = vec![("content-type", "application/json"), ("x-understudy", "match")];
            self.send_http_response(200, headers, Some(br#"{"id":"ch_1","amount":100}"#));
        }
        Action::Pause
    }
}

impl Context for Constant {}

impl HttpContext for Constant {
    fn on_http_request_headers(&mut self, _: usize, ended: bool) -> Action {
        self.answer(ended)
    }

    fn on_http_request_body(&mut self, _: usize, ended: bool) -> Action {
        self.answer(ended)
    }
}
