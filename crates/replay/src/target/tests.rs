use super::*;

#[test]
fn a_target_has_scheme_host_and_port() {
    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(Target::parse(text).ok().map(|target| target.to_string()).as_deref(), expect, "{text}");
    }
    check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"));
    check("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080"));
    check("https://a.test", Some("https://a.test:443"));
    check("http://[::1]:80", Some("http://[::1]:80"));
    check("127.0.0.1:8080", None);
    check("ftp://a.test", None);
    check("http://a.test/path", None);
    check("http://a.test?x", None);
    check("http://", None);
    check("", None);
}
