//! Extracts failures from Envoy's log, for messages. Never judges a request by its log.

/// The detail of Envoy's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// All messages, to find a defect in Envoy itself.
    Trace,
    /// Every request.
    Debug,
    /// Start, stop, configuration. The filter's messages need at least this level.
    #[default]
    Info,
    /// Possible faults.
    Warning,
    /// Faults.
    Error,
}

impl LogLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        }
    }
}

/// The maximum number of lines in a message.
const MAX_LINES: usize = 6;

/// The lines that show failures, the filter's first, without time stamps and source positions.
pub(crate) fn problems(log: &str) -> String {
    let mut from_filter = Vec::new();
    let mut from_envoy = Vec::new();
    let mut unmarked = Vec::new();
    for line in log.lines() {
        match parse(line) {
            Some(("error" | "critical", message)) => {
                let (list, message) = match message.split_once("wasm log understudy understudy: ") {
                    Some((_, message)) => (&mut from_filter, message),
                    None => (&mut from_envoy, message),
                };
                if !list.contains(&message) {
                    list.push(message);
                }
            }
            Some(_) => unmarked.clear(),
            // Continued lines, and lines printed before the log is open (a bad flag, a crash).
            None => unmarked.push(line.trim()),
        }
    }
    let mut lines = from_filter;
    lines.extend(from_envoy);
    if lines.is_empty() {
        lines = unmarked.into_iter().filter(|line| !line.is_empty()).collect();
    }
    if lines.is_empty() {
        return "its log names no error".to_owned();
    }
    lines.truncate(MAX_LINES);
    lines.join("; ")
}

/// The address in `cannot bind '127.0.0.1:15001': Address already in use`.
pub(crate) fn address_in_use(log: &str) -> Option<String> {
    let (before, _) = log.split_once("': Address already in use")?;
    let (_, address) = before.rsplit_once("cannot bind '")?;
    Some(address.to_owned())
}

/// Returns whether Envoy has refused its configuration.
pub(crate) fn refused(log: &str) -> bool {
    log.contains("initializing config")
}

/// The level and the message in `[2026-11-21 08:19:52.919][12216][critical][wasm]
/// [source/…/wasm.cc:626] Plugin … failed`.
fn parse(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.strip_prefix('[')?.splitn(4, "][");
    let level = fields.nth(2)?;
    let (_, rest) = fields.next()?.split_once("] ")?;
    let message = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_source, message)) => message,
        None => rest,
    };
    Some((level, message.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(log: &str, expect: &str) {
        assert_eq!(problems(log), expect);
    }

    #[test]
    fn message_of_the_filter_comes_first() {
        check(
            "[2026-11-21 08:19:52.700][1][info][main] [source/server/server.cc:1] starting\n\
             [2026-11-21 08:19:52.769][1][warning][misc] [source/a.cc:23] Deprecated field\n\
             [2026-11-21 08:19:52.779][1][critical][wasm] [source/wasm.cc:626] Plugin understudy failed to load\n\
             [2026-11-21 08:19:52.779][1][error][wasm] [source/context.cc:1157] wasm log understudy understudy: unknown key `a`\n",
            "unknown key `a`; Plugin understudy failed to load",
        );
    }

    #[test]
    fn repeated_message_is_given_once() {
        let line = "[2026-11-21 08:19:52.779][1][error][wasm] [source/wasm.cc:104] Wasm VM failed\n";
        check(&line.repeat(3), "Wasm VM failed");
    }

    #[test]
    fn lines_without_a_log_prefix_are_given() {
        check(
            "PARSE ERROR: Argument: --bogus\n   Couldn't find match\n",
            "PARSE ERROR: Argument: --bogus; Couldn't find match",
        );
        check("", "its log names no error");
    }

    #[test]
    fn address_in_use_is_found() {
        let log = "[x][1][critical][main] [s] error `cannot bind '127.0.0.1:15001': Address already in use` initializing";
        assert_eq!(address_in_use(log).as_deref(), Some("127.0.0.1:15001"));
        assert_eq!(address_in_use("cannot bind '127.0.0.1:80': Permission denied"), None);
    }
}
