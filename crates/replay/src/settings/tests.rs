use super::*;

fn read(text: &str) -> Result<Settings, Error> {
    let variable = |name: &str| (name == "KEY").then(|| "k-1".to_owned());
    Settings::from_yaml(text, Path::new("replay.yaml"), variable)
}

#[test]
fn all_settings_are_read() {
    let text = r#"
version: 1
goals: ["success >= 100%", "p95 <= 1.2 x recorded"]
compare:
  headers: [Content-Type, etag]
  learn: false
  noise:
  - path: /orders/*
    method: GET
    mask: [body/request_id]
    ignore: [body/debug]
    why: it says so
carry:
  learn: false
  rules:
  - from: POST /login body/token
    to: "* /** header.authorization"
  never: [GET /a path.1]
set:
- at: "* /** header.authorization"
  value: Bearer ${KEY}!
"#;
    let settings = read(text).expect("settings");
    assert_eq!(settings.goals.as_ref().map(Vec::len), Some(2));
    assert_eq!(settings.headers, ["content-type", "etag"]);
    assert!(!settings.learn_noise && settings.carry.off);
    assert_eq!(settings.noise[0].mask.len() + settings.noise[0].ignore.len(), 2);
    assert_eq!((settings.carry.rules.len(), settings.carry.never.len()), (1, 1));
    assert_eq!(settings.set[0].value, "Bearer k-1!");
    let mut request = understudy_core::exchange::Request { path: b"/a".to_vec(), ..Default::default() };
    settings.set[0].apply(&mut request);
    assert_eq!(request.headers.get(b"authorization"), Some(&b"Bearer k-1!"[..]), "a header is added");
}

#[test]
fn settings_with_only_a_version_are_valid() {
    let settings = read("version: 1").expect("settings");
    assert!(settings.learn_noise && !settings.carry.off && settings.goals.is_none());
}

#[test]
fn contradictory_settings_are_refused() {
    #[track_caller]
    fn check(text: &str, says: &str) {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(says), "{error}");
    }
    check("version: 2", "version 2 isn't known");
    check("goals: []", "version");
    check("version: 1\ngaols: []", "gaols");
    check("version: 1\ngoals: [fast]", "fast");
    check("version: 1\ncompare: {noise: [{path: /x, mask: [nowhere]}]}", "nowhere");
    check("version: 1\ncarry: {never: [POST /x]}", "METHOD PATH PLACE");
    check("version: 1\nset: [{at: \"* /** header.x\", value: \"${NO}\"}]", "NO isn't set");
    check("version: 1\nset: [{at: \"* /** header.x\", value: \"${KEY\"}]", "without `}`");
}
