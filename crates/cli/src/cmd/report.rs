//! `understudy report`: shows a replay's report as text, and writes it as pages for others.

use crate::outcome::Outcome;
use crate::{output, say};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_replay::report::{self, Report};

/// Show the report of a replay, or compare two
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy report report.json --html report.html --junit report.xml
  understudy report --compare before.json after.json

Exit status: 0 the run passed; 1 it failed; 2 could not run. With --compare: 1 if anything fails that passed before.")]
pub(crate) struct Args {
    /// The report that `understudy replay --report` has written
    #[arg(required_unless_present = "compare")]
    file: Option<PathBuf>,

    #[command(flatten)]
    pages: Pages,

    /// Show the differences of the second report from the first
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["file", "html", "junit", "markdown"])]
    compare: Option<Vec<PathBuf>>,

    /// List all that is in the report
    #[arg(short, long)]
    verbose: bool,
}

/// Files that present a report to others.
#[derive(clap::Args)]
pub(crate) struct Pages {
    /// Write the report as a single page without other files
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the report as JUnit XML here
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write the report in short, as Markdown, here
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Function that makes one of these files.
type Make = fn(&Report) -> String;

impl Pages {
    fn all(&self) -> [(Option<&Path>, Make); 3] {
        [
            (self.html.as_deref(), report::html),
            (self.junit.as_deref(), report::junit),
            (self.markdown.as_deref(), report::markdown),
        ]
    }

    /// Checks that the pages can be written.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.all().iter().filter_map(|(path, _)| *path).try_for_each(output::check)
    }

    /// Writes the requested pages.
    pub(crate) fn write(&self, report: &Report) -> anyhow::Result<()> {
        for (path, make) in self.all() {
            let Some(path) = path else { continue };
            let text = make(report);
            output::file(path, |out| out.write_all(text.as_bytes()))?;
            say::line(format_args!("{} written", path.display()));
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some([old, new]) = args.compare.as_deref() {
        let versus = report::versus(&report::read(old)?, &report::read(new)?);
        output::text(&versus.text)?;
        return Ok(ExitCode::from(u8::from(versus.worse)));
    }
    args.pages.check()?;
    let Some(file) = &args.file else { return Ok(ExitCode::SUCCESS) };
    let report = report::read(file)?;
    output::text(&report::summary(&report, args.verbose))?;
    args.pages.write(&report)?;
    Ok(ExitCode::from(u8::from(!report.passed)))
}
