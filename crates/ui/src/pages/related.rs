//! Related exchanges: the outbound calls that an inbound request caused, or the inbound request
//! that caused an outbound call. The relation is known only if the service passes on the trace
//! context.

use crate::page::PageError;
use crate::pages::exchange::parse;
use crate::routes::App;
use crate::show::visible;
use crate::snapshots::ShownSnapshot;
use understudy_analyse::traces::{Place, Trace, Traces, contexts};
use understudy_core::exchange::Direction;

/// Maximum number of listed exchanges.
const LISTED: usize = 100;

/// Exchanges that belong to one.
pub(super) struct Related {
    pub(super) title: &'static str,
    /// Address, label, backend.
    pub(super) rows: Vec<(String, String, String)>,
    pub(super) more: usize,
}

/// The exchanges related to that of a line; `None` while they are being computed.
pub(super) async fn related(
    app: &App,
    book: &ShownSnapshot,
    line: &[u8],
) -> Result<Option<Vec<Related>>, PageError> {
    let exchange = parse(line)?;
    if contexts(&exchange).is_empty() {
        return Ok(Some(Vec::new()));
    }
    let snapshot = book.snapshot()?;
    let traces = book.traces.get(book.state()?, app.patience, move || Traces::of(&snapshot)).await;
    let Some(traces) = traces else { return Ok(None) };
    // Another page reports lines that can't be read.
    let trace = traces.as_ref().as_ref().ok().and_then(|traces| traces.with(&exchange.id));
    let Some((_, Trace { inbound, outbound })) = trace else { return Ok(Some(Vec::new())) };
    let all = match (exchange.direction, inbound.as_slice()) {
        (Direction::Inbound, [_]) => vec![("It caused", outbound.as_slice())],
        (Direction::Outbound, [_]) => vec![("It was caused by", inbound.as_slice())],
        // With several candidates, the cause can't be determined.
        _ => vec![
            ("Inbound calls of the same trace", inbound.as_slice()),
            ("Outbound calls of the same trace", outbound.as_slice()),
        ],
    };
    let index = book.index()?;
    index.wait(app.patience).await;
    let known = index.known();
    let row = |place: &Place| {
        let at = known.rows.binary_search_by_key(&place.line, |row| row.line).ok()?;
        let row = known.rows.get(at)?;
        let href = format!("{}/traffic/{}", super::base(&book.name), row.line);
        Some((href, visible(known.labels.text(row.label)), visible(known.backends.text(row.backend))))
    };
    let listed = |(title, places): (&'static str, &[Place])| {
        let others = places.iter().filter(|place| place.id != exchange.id);
        let rows: Vec<_> = others.clone().take(LISTED).filter_map(row).collect();
        Related { title, rows, more: others.count().saturating_sub(LISTED) }
    };
    Ok(Some(all.into_iter().map(listed).filter(|related| !related.rows.is_empty()).collect()))
}
