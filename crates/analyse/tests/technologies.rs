//! Checks that `docs/reference/technologies.md` has the content of the tables. `BLESS=1 cargo test
//! -p understudy-analyse --test technologies` writes its tables again.

use std::fmt::Write;
use std::path::Path;
use understudy_analyse::technology::{AWS_SERVICES, BY_SHAPE, GCP_SERVICES, Kind, SERVICES};

const MARK: &str = "--test technologies`. -->\n";

fn tables() -> String {
    let mut out = "\n## Services\n".to_owned();
    out.push_str("`*.example.com` is each host below `example.com`. A header counts in a request and in an answer.\n\n");
    out.push_str("| tag | hosts | headers | source |\n|---|---|---|---|\n");
    let code = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for service in SERVICES {
        let telemetry = if service.tag.kind == Kind::Telemetry { " (telemetry)" } else { "" };
        let (hosts, headers) = (code(service.hosts), code(service.headers));
        let _ =
            writeln!(out, "| {}{telemetry} | {hosts} | {headers} | <{}> |", service.tag.name, service.source);
    }
    out.push_str("\n## Services of AWS\nBy `X-Amz-Target`, else by the scope of the credentials, else by the host. Source: the service models that AWS publishes with its SDKs\n");
    out.push_str("(<https://github.com/boto/botocore/tree/develop/botocore/data>).\n\n");
    out.push_str("| tag | target | scope | host |\n|---|---|---|---|\n");
    for service in AWS_SERVICES {
        let target = if service.target.is_empty() { String::new() } else { format!("`{}.`", service.target) };
        let _ = writeln!(
            out,
            "| {} | {target} | `{}` | {} |",
            service.tag.name,
            service.scope,
            code(service.hosts)
        );
    }
    out.push_str("\n## Services of Google\nBy the host `NAME.googleapis.com`, or the path of gRPC. Source: Google's published API definitions\n");
    out.push_str(
        "(<https://github.com/googleapis/googleapis>).\n\n| tag | name | gRPC package |\n|---|---|---|\n",
    );
    for service in GCP_SERVICES {
        let package =
            if service.package.is_empty() { String::new() } else { format!("`{}`", service.package) };
        let _ = writeln!(out, "| {} | `{}` | {package} |", service.tag.name, service.host);
    }
    out
}

#[test]
fn page_equals_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/technologies.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let at = page.find(MARK).expect("the mark") + MARK.len();
    let (head, rest) = page.split_at(at);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{head}{}", tables())).unwrap();
    } else {
        assert_eq!(rest, tables(), "run again with BLESS=1");
    }
    for tag in BY_SHAPE {
        assert!(page.contains(tag.name), "{} is named", tag.name);
    }
}
