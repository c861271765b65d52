//! Java's trust store, and the options by which each JVM uses it. Java has no variable that adds a
//! root or names a proxy.

use super::jks;
use super::names::{Proxy, Variables};
use super::roots::Roots;
use crate::authority::Authority;
use crate::error::Error;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const STORE: &str = "truststore.jks";
/// The password of Java's own stores. It protects nothing: the store holds only certificates.
const PASSWORD: &str = "changeit";
const TRUST_STORE: &str = "-Djavax.net.ssl.trustStore=";
/// The files with the roots of a Java, below its home. Before Java 9, the runtime has its own
/// folder.
const ROOT_FILES: [&str; 4] = [
    "lib/security/cacerts",
    "lib/security/jssecacerts",
    "jre/lib/security/cacerts",
    "jre/lib/security/jssecacerts",
];
/// The variables from which JVMs take options. Each overrides those before it. The second is only
/// for the `java` command.
pub(crate) const OPTIONS: [&str; 3] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];
/// The maximum nesting of DER in which certificates are searched.
const DEPTH_MAX: u32 = 24;

/// Writes the store: the authority, the roots of the Javas that CMD may run, the user's own store,
/// and all other trusted roots.
///
/// Returns the path of the store; `None` if the user has a store that can't be read, which then
/// stays in use.
pub(crate) fn write(
    authority: &Authority,
    folder: &Path,
    roots: &mut Roots,
    variables: Variables<'_>,
) -> Result<Option<PathBuf>, Error> {
    for path in homes(variables).iter().flat_map(|home| ROOT_FILES.map(|place| home.join(place))) {
        if let Ok(bytes) = std::fs::read(&path) {
            match certificates(&bytes) {
                Some(certificates) => certificates.into_iter().for_each(|der| roots.add(der)),
                None => roots
                    .warn(format!("Java's roots in {} can't be read: the system's are used", path.display())),
            }
        }
    }
    if let Some(user_store) =
        OPTIONS.iter().rev().filter_map(|name| variables(name)).find_map(|options| own_store(&options))
    {
        match std::fs::read(&user_store).ok().and_then(|bytes| certificates(&bytes)) {
            Some(certificates) => certificates.into_iter().for_each(|der| roots.add(der)),
            None => {
                roots.warn(format!(
                    "Java's trust store {} can't be read here and stays in use: add the certificate of `understudy ca path` to it",
                    user_store.display()
                ));
                return Ok(None);
            }
        }
    }
    let mut all = vec![authority.der().to_vec()];
    all.extend_from_slice(roots.certificates());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let path = folder.join(STORE);
    let store = jks::write(&all, PASSWORD, u64::try_from(now).unwrap_or_default());
    std::fs::write(&path, store).map_err(Error::io("write", &path))?;
    Ok(Some(path))
}

/// The options for JVMs: the user's, followed by ours. Of two options for one setting, a JVM uses
/// the last.
pub(crate) fn options(user: Option<&OsStr>, store: Option<&Path>, proxy: &Proxy<'_>) -> OsString {
    let mut all: Vec<OsString> =
        user.filter(|user| !user.is_empty()).map(OsStr::to_owned).into_iter().collect();
    if let Some(store) = store {
        all.push(quoted(TRUST_STORE, store.as_os_str()));
        all.push("-Djavax.net.ssl.trustStoreType=JKS".into());
        all.push(format!("-Djavax.net.ssl.trustStorePassword={PASSWORD}").into());
    }
    for scheme in ["http", "https"] {
        all.push(format!("-D{scheme}.proxyHost={}", proxy.address.ip()).into());
        all.push(format!("-D{scheme}.proxyPort={}", proxy.address.port()).into());
    }
    // Both schemes read this one.
    all.push(format!("-Dhttp.nonProxyHosts={}", non_proxy_hosts(proxy.no_proxy)).into());
    all.join(OsStr::new(" "))
}

/// Quotes a value with spaces. JVMs split options at spaces outside of quotes.
fn quoted(option: &str, value: &OsStr) -> OsString {
    let quote = if value.to_string_lossy().contains(char::is_whitespace) { "\"" } else { "" };
    let mut text = OsString::from(option);
    text.push(quote);
    text.push(value);
    text.push(quote);
    text
}

/// `NO_PROXY` in Java's format. A name there includes its subdomains. Java supports neither
/// networks nor ports.
fn non_proxy_hosts(no_proxy: &str) -> String {
    let mut hosts = Vec::new();
    for host in no_proxy.split(',').map(str::trim).filter(|host| !host.is_empty() && !host.contains('/')) {
        let name = host.trim_start_matches('.');
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
            hosts.push(if address.is_ipv6() { format!("[{address}]") } else { address.to_string() });
        } else if host == "*" {
            hosts.push(host.to_owned());
        } else if !host.contains([':', '*', '|']) {
            hosts.extend([name.to_owned(), format!("*.{name}")]);
        }
    }
    hosts.join("|")
}

/// The trust store in the user's options. The last one counts.
fn own_store(options: &OsStr) -> Option<PathBuf> {
    let options = options.to_string_lossy();
    let (before, value) = options.rsplit_once(TRUST_STORE)?;
    let quote = |text: &str, at: fn(&str) -> Option<char>| at(text).filter(|c| ['"', '\''].contains(c));
    // Quotes may be around the value or around the option.
    let end =
        match quote(before, |before| before.chars().last()).or(quote(value, |value| value.chars().next())) {
            Some(quote) => return value.trim_start_matches(quote).split(quote).next().map(PathBuf::from),
            None => value.find(char::is_whitespace).unwrap_or(value.len()),
        };
    value.get(..end).map(PathBuf::from)
}

/// The homes of the Javas that CMD may run: `JAVA_HOME`, and the `java` in `PATH`.
fn homes(variables: Variables<'_>) -> BTreeSet<PathBuf> {
    let java = |folder: PathBuf| std::fs::canonicalize(folder.join("java")).ok();
    let on_path = variables("PATH").and_then(|path| std::env::split_paths(&path).find_map(java));
    let home_of = |java: PathBuf| java.parent().and_then(Path::parent).map(Path::to_owned);
    let named = variables("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    named.into_iter().chain(on_path.and_then(home_of)).collect()
}

/// The certificates of a store that isn't encrypted: JKS, or PKCS #12, the format of Java's own
/// roots since Java 18.
fn certificates(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    jks::read(bytes).or_else(|| {
        let mut found = Vec::new();
        gather(bytes, 0, &mut found);
        (!found.is_empty()).then_some(found)
    })
}

/// Collects certificates from PKCS #12 (RFC 7292), where they are nested in octet strings and
/// sequences.
fn gather(mut bytes: &[u8], depth: u32, found: &mut Vec<Vec<u8>>) {
    const OCTETS: u8 = 0x04;
    const CONSTRUCTED: u8 = 0x20;
    while let Some((tag, content, rest)) = element(bytes).filter(|_| depth < DEPTH_MAX) {
        use x509_parser::prelude::{FromDer, X509Certificate};
        if tag == OCTETS && X509Certificate::from_der(content).is_ok_and(|(rest, _)| rest.is_empty()) {
            found.push(content.to_vec());
        } else if tag == OCTETS || tag & CONSTRUCTED != 0 {
            gather(content, depth + 1, found);
        }
        bytes = rest;
    }
}

/// Splits off one element of DER: its tag, its content, and the rest. X.690, 8.1.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_written_in_javas_format() {
        let check = |no_proxy, expect: &str| assert_eq!(non_proxy_hosts(no_proxy), expect, "{no_proxy}");
        check("", "");
        check("localhost,127.0.0.1,::1", "localhost|*.localhost|127.0.0.1|[::1]");
        check(".b.test, a.test", "b.test|*.b.test|a.test|*.a.test");
        check("*", "*");
        check("10.0.0.0/8,a.test:80,,", "");
    }

    #[test]
    fn trust_store_in_the_users_options_is_found() {
        let check = |options: &str, expect: Option<&str>| {
            assert_eq!(own_store(OsStr::new(options)), expect.map(PathBuf::from), "{options}");
        };
        check("-Xmx1g", None);
        check("-Djavax.net.ssl.trustStore=/a/b.jks -Xmx1g", Some("/a/b.jks"));
        check("-Djavax.net.ssl.trustStore=\"/a b/c\" -Xmx1g", Some("/a b/c"));
        check("\"-Djavax.net.ssl.trustStore=/a/c d\" -Xmx1g", Some("/a/c d"));
        check("-Djavax.net.ssl.trustStorePassword=x", None);
        check("-Djavax.net.ssl.trustStore=/a -Djavax.net.ssl.trustStore=/b", Some("/b"));
    }

    #[test]
    fn options_are_appended_to_the_users() {
        let proxy = Proxy { address: ([127, 0, 0, 1], 8080).into(), no_proxy: "a.test" };
        let options = options(Some(OsStr::new("-Xmx1g")), Some(Path::new("/t m/s.jks")), &proxy);
        let expect = "-Xmx1g -Djavax.net.ssl.trustStore=\"/t m/s.jks\" -Djavax.net.ssl.trustStoreType=JKS \
            -Djavax.net.ssl.trustStorePassword=changeit -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8080 \
            -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 -Dhttp.nonProxyHosts=a.test|*.a.test";
        assert_eq!(options, expect);
    }
}
