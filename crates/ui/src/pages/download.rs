//! Downloads of an exchange and its bodies: always as an attachment without a type, whatever the
//! content.

use crate::page::{PageError, attachment};
use crate::pages::exchange::{parse, recorded_line};
use crate::routes::App;
use axum::extract::{Path, State};
use axum::response::Response;
use std::sync::Arc;

pub(crate) async fn recorded(
    State(app): State<Arc<App>>,
    Path((name, line, part)): Path<(String, u64, String)>,
) -> Result<Response, PageError> {
    let text = recorded_line(&app, &name, line).await?;
    super::on_a_thread(move || download(&format!("{name}-{line}"), text, &part)).await
}

pub(crate) async fn received(
    State(app): State<Arc<App>>,
    Path((number, part)): Path<(u64, String)>,
) -> Result<Response, PageError> {
    let text = super::exchange::received_line(&app, number).await?;
    super::on_a_thread(move || download(&format!("live-{number}"), text, &part)).await
}

fn download(name: &str, line: Vec<u8>, part: &str) -> Result<Response, PageError> {
    match part {
        "exchange.json" => Ok(attachment(&format!("{name}-exchange.json"), line)),
        "request-body" => {
            let exchange = parse(&line)?;
            Ok(attachment(&format!("{name}-request-body"), exchange.request.body.bytes))
        }
        "response-body" => {
            let none = || PageError::not_found("This exchange has no response.");
            let response = parse(&line)?.response.ok_or_else(none)?;
            Ok(attachment(&format!("{name}-response-body"), response.body.bytes))
        }
        _ => Err(PageError::not_found("An exchange has no such part.")),
    }
}
