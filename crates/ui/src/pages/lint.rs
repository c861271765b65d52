//! The findings of the linter about a snapshot.

use super::{base, frame};
use crate::page::{Frame, PageError, render};
use crate::routes::App;
use crate::show::{count, visible};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_snapshot::EXCHANGES_FILE;
use understudy_snapshot::lint::{self, Finding, Severity};

/// The maximum number of shown findings, the most severe.
const SHOWN: usize = 1_000;

#[derive(Template)]
#[template(path = "lint.html")]
struct LintPage {
    frame: Frame,
    findings: Vec<ShownFinding>,
    /// The numbers of findings by severity, as text.
    counts: String,
    /// The number of findings that aren't shown.
    more: usize,
}

struct ShownFinding {
    severity: &'static str,
    kind: &'static str,
    code: &'static str,
    place: String,
    href: Option<String>,
    backend: String,
    times: String,
    message: String,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    // An unreadable header has its own error page.
    book.open()?;
    let snapshot = book.snapshot()?;
    let outcome = book.findings.get(book.state()?, app.patience, move || lint::lint(&snapshot)).await;
    let mut frame = frame(&app, &book, "/lint", "Lint");
    let findings = match outcome.as_deref() {
        None => {
            frame.refresh = true;
            return Ok(render(
                StatusCode::OK,
                &LintPage { frame, findings: Vec::new(), counts: String::new(), more: 0 },
            ));
        }
        Some(Ok(findings)) => findings,
        Some(Err(error)) => return Err(PageError::failed(error.to_string())),
    };
    let address = format!("{}/traffic", base(&book.name));
    let number = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = format!(
        "{}, {}, {}",
        counted(number(Severity::Error), "error"),
        counted(number(Severity::Warning), "warning"),
        counted(number(Severity::Info), "note")
    );
    let more = findings.len().saturating_sub(SHOWN);
    let findings = findings.iter().take(SHOWN).map(|finding| shown(finding, &address)).collect();
    Ok(render(StatusCode::OK, &LintPage { frame, findings, counts, more }))
}

fn counted(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

fn shown(finding: &Finding, address: &str) -> ShownFinding {
    let (severity, kind) = match finding.severity {
        Severity::Error => ("Error", "error"),
        Severity::Warning => ("Warning", "warning"),
        Severity::Info => ("Note", "info"),
    };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let has_page = finding.file == EXCHANGES_FILE && finding.exchange.is_some();
    ShownFinding {
        severity,
        kind,
        code: finding.code,
        place: format!("{}{line}", finding.file),
        href: finding.line.filter(|_| has_page).map(|line| format!("{address}/{line}")),
        backend: visible(finding.backend.as_deref().unwrap_or_default()),
        times: if finding.count > 1 { format!("{} times", count(finding.count)) } else { String::new() },
        message: visible(&finding.message),
    }
}
