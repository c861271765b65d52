//! Helpers of this crate's tests: the exchanges of the snapshot's tests, and tables of them.
#![allow(dead_code, unused_imports, reason = "each test binary uses some of it")]

#[path = "../../../snapshot/tests/common/mod.rs"]
mod exchanges;

pub(crate) use exchanges::{body, get, header};
use understudy_compile::table::TableBuilder;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::rules::Rules;
use understudy_core::table::{Answer, Table};
use understudy_snapshot::Header;

/// The table of exchanges.
pub(crate) fn table(header: &Header, exchanges: &[Exchange]) -> Vec<u8> {
    let mut builder = TableBuilder::new(header);
    exchanges.iter().for_each(|exchange| builder.push(exchange).unwrap());
    builder.finish().unwrap().bytes
}

pub(crate) fn signature(exchange: &Exchange) -> Signature {
    Signature::of(&RequestView::from(exchange), &Rules::default())
}

/// Status, headers, body and identifier of an answer, read from the table.
pub(crate) fn answer(table: &Table<&[u8]>, answer: &Answer) -> (u16, Headers, Vec<u8>, String) {
    let headers = Headers::from_block(table.blob(answer.headers).unwrap());
    let id = String::from_utf8(table.blob(answer.exchange).unwrap()).unwrap();
    (answer.status, headers, table.blob(answer.body).unwrap(), id)
}
