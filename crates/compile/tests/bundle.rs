//! The bundler: what goes in comes out, the same for the same input, and what it can't use it refuses with a reason.

mod support;

use support::{filler_table, probe, seal};
use understudy_compile::bundle::{
    Bundle, BundleError, BundleInfo, EXPORT_LENGTH, EXPORT_READ, bundle, inspect, plain,
};
use understudy_core::digest::hex;
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

fn info() -> BundleInfo {
    BundleInfo { understudy: "1.2.3".to_owned() }
}

/// A module that Envoy's engine takes: valid, and with no import of ours left.
fn check_loadable(module: &[u8]) {
    Validator::new_with_features(WasmFeatures::WASM2).validate_all(module).unwrap();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    assert_eq!(import.unwrap().module, "env");
                }
            }
            Payload::ExportSection(section) => {
                exports
                    .extend(section.into_iter().map(Result::unwrap).map(|export| (export.kind, export.name)));
            }
            _ => {}
        }
    }
    for name in [EXPORT_LENGTH, EXPORT_READ, "proxy_on_request_headers"] {
        assert!(exports.contains(&(ExternalKind::Func, name)), "{name}");
    }
}

#[test]
fn the_table_comes_out_as_it_went_in() {
    for filling in [0, 1, 100, 16_000, 3_000_000] {
        let table = filler_table(filling);
        let module = bundle(&probe(), &table, &info()).unwrap();
        check_loadable(&module);
        let read = inspect(&module).unwrap();
        assert!(!read.is_plain());
        assert_eq!(read.table_bytes(), table);
        assert_eq!(read.record.table.digest, hex(&read.digest()));
        assert_eq!(read.record.table.length, table.len() as u64);
        assert_eq!((read.record.snapshot.as_str(), read.record.understudy.as_str()), ("filler", "1.2.3"));
        assert_eq!(read.record.backends[1].name, "https://b.test:8443");
        assert_eq!(read.tables()[0].meta().backends.len(), 2);
    }
}

#[test]
fn a_plain_module_has_an_empty_table() {
    let module = plain(&probe()).unwrap();
    check_loadable(&module);
    let read = inspect(&module).unwrap();
    assert!(read.is_plain() && read.tables().is_empty());
    assert_eq!((read.record.table.length, read.record.backends.len()), (0, 0));
}

#[test]
fn the_way_over_the_plain_module_gives_the_same_bytes() {
    let (filter, table) = (probe(), filler_table(5000));
    let direct = bundle(&filter, &table, &info()).unwrap();
    let plain_module = plain(&filter).unwrap();
    assert_eq!(bundle(&plain_module, &table, &info()).unwrap(), direct);
    assert_eq!(bundle(&filter, &table, &info()).unwrap(), direct);
    assert_eq!(plain(&plain_module).unwrap(), plain_module);
    let pieces = Bundle::new(&filter, &table, &info()).unwrap();
    let mut written = Vec::new();
    pieces.write_to(&mut written).unwrap();
    assert_eq!(pieces.len(), written.len() as u64);
    assert_eq!(written, direct);
}

#[test]
fn the_description_is_json_that_people_can_read() {
    let module = bundle(&probe(), &filler_table(0), &info()).unwrap();
    let json = Parser::new(0).parse_all(&module).find_map(|payload| match payload.unwrap() {
        Payload::CustomSection(section) if section.name() == "understudy.table" => Some(section.data()),
        _ => None,
    });
    let (digest, length) = (hex(&inspect(&module).unwrap().digest()), filler_table(0).len());
    assert_eq!(
        std::str::from_utf8(json.unwrap()).unwrap(),
        format!(
            r#"{{"format":1,"understudy":"1.2.3","snapshot":"filler","table":{{"digest":"{digest}","length":{length},"segment":1,"#
        ) + r#""entries":0,"exchanges":0},"backends":[{"name":"http://a.test","mode":"mock"},{"name":"https://b.test:8443","mode":"mock"}]}"#
    );
}

fn check_refused(result: Result<impl Sized, BundleError>, code: &str, says: &str) {
    let error = result.err().expect("refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn what_is_no_filter_is_refused() {
    let (table, filter) = (filler_table(10), probe());
    let module = bundle(&filter, &table, &info()).unwrap();
    let refused = |bytes: &[u8], code, says| {
        check_refused(bundle(bytes, &table, &info()), code, says);
        check_refused(inspect(bytes), code, says);
    };
    refused(b"", "module-magic", "give a filter.wasm");
    refused(b"#!/bin/sh\n", "module-magic", "no WebAssembly");
    refused(b"\0asm\x0d\0\x01\0", "module-magic", "no WebAssembly");
    refused(&filter[..6], "module-truncated", "after 6 bytes");
    refused(&filter[..filter.len() - 1], "module-truncated", "copy or download");
    refused(&module[..module.len() / 2], "module-truncated", "cut off");
    refused(b"\0asm\x01\0\0\0\x7f\x00", "module-malformed", "damaged");
    refused(b"\0asm\x01\0\0\0", "module-foreign", "isn't Understudy's filter");
    check_refused(inspect(&filter), "module-foreign", "no table has been given");

    let with = |text: &str| wat::parse_str(format!("(module {text})")).unwrap();
    let (length, read) = (
        r#"(import "understudy" "table_length" (func (result i32)))"#,
        r#"(import "understudy" "table_read" (func (param i32 i32 i32)))"#,
    );
    let memory = r#"(memory (export "memory") 1)"#;
    let foreign = |text: &str, says| check_refused(plain(&with(text)), "module-foreign", says);
    foreign(&format!("{length}{memory}"), "no import understudy.table_read");
    foreign(&format!("{read}{memory}"), "no import understudy.table_length");
    foreign(&format!("{length}{read}"), "no memory");
    foreign(&format!("{}{read}{memory}", length.replace("i32", "i64")), "other parameters");
    foreign(&format!("{}{read}{memory}", length.replace("func (result i32)", "global i32")), "no function");
    foreign(&format!(r#"{length}{read}(import "understudy" "x" (func)){memory}"#), "doesn't know");
    foreign(&format!(r#"{length}{read}{memory}(func (export "understudy_table_read"))"#), "only the bundler");
    let locals = format!("(func {})", "(local i64)".repeat(50_000)).repeat(21);
    foreign(&format!("{length}{read}{memory}{locals}"), "far too big");
}

#[test]
fn a_second_table_is_refused_and_the_first_is_named() {
    let table = filler_table(10);
    let module = bundle(&probe(), &table, &info()).unwrap();
    let digest = hex(&inspect(&module).unwrap().digest());
    for second in [filler_table(20), Vec::new()] {
        check_refused(bundle(&module, &second, &info()), "module-two-tables", &digest);
    }
}

#[test]
fn a_table_that_cannot_be_used_is_refused() {
    let table = filler_table(100);
    let check = |change: &dyn Fn(&mut Vec<u8>), code| {
        let mut changed = table.clone();
        change(&mut changed);
        check_refused(bundle(&probe(), &changed, &info()), code, "");
    };
    check(&|table| table[0] = b'X', "table-magic");
    check(&|table| table[8] = 1, "table-version");
    check(&|table| table.truncate(table.len() - 1), "table-length");
    check(&|table| *table.last_mut().unwrap() ^= 1, "table-checksum");
    check(&|table| table.truncate(10), "table-magic");
}

#[test]
fn a_module_that_was_changed_is_refused() {
    let module = bundle(&probe(), &filler_table(100), &info()).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = module.windows(from.len()).position(|window| window == from).unwrap();
        let mut changed = module.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        changed
    };
    let check = |from: &str, to: &str, code, says| {
        check_refused(inspect(&replaced(from.as_bytes(), to.as_bytes())), code, says);
    };
    check(r#""format":1"#, r#""format":2"#, "module-format", "reads format 1");
    let length = filler_table(100).len();
    let says = |length: usize| format!(r#""length":{length}"#);
    check(&says(length), &says(length + 1), "module-mismatch", "another length");
    check(r#""segment":1"#, r#""segment":0"#, "module-mismatch", "another segment");
    check(r#""digest":""#, r#""digest":"!"#, "module-mismatch", "another digest");
    check("\"filler\"", "\"fuller\"", "module-mismatch", "says something else");
    check("\"mode\":\"mock\"", "\"mode\":\"tape\"", "module-mismatch", "isn't valid");
    check("USTABLE\n", "XSTABLE\n", "table-magic", "no signature table");
    // `i32.const`, the length that the code gives.
    let code = |length: usize| [0x41, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8, 0x0b];
    check_refused(inspect(&replaced(&code(length), &code(length + 1))), "module-mismatch", "another length");
    let mut changed = module.clone();
    let table = changed.windows(8).position(|window| window == b"USTABLE\n").unwrap();
    changed[table + length - 1] ^= 1;
    check_refused(inspect(&changed), "module-mismatch", "another digest");
}

#[test]
fn a_table_too_long_for_envoy_is_refused_by_its_length() {
    // The length decides before a byte is read: the zeroed pages are never touched, and cost nothing.
    let table = vec![0; (1 << 30) + 1];
    check_refused(bundle(&probe(), &table, &info()), "module-too-long", "1073741824");
    let mut small = vec![0; 200];
    seal(&mut small);
    check_refused(bundle(&probe(), &small, &info()), "table-section", "");
}

/// The table of a snapshot of this name.
fn table_of(name: &str) -> Vec<u8> {
    let header = understudy_snapshot::Header { name: name.to_owned(), ..Default::default() };
    understudy_compile::table::TableBuilder::new(&header).finish().unwrap().bytes
}

#[test]
fn several_snapshots_come_out_as_they_went_in() {
    let tables = ["orders", "payment"].map(table_of);
    let shelf = understudy_core::table::shelf(&tables).unwrap();
    let module = bundle(&probe(), &shelf, &info()).unwrap();
    check_loadable(&module);
    let read = inspect(&module).unwrap();
    assert_eq!(read.table_bytes(), shelf);
    assert_eq!(read.record.snapshot, "orders, payment");
    let names: Vec<_> = read.tables().iter().map(|table| table.meta().snapshot.as_str()).collect();
    assert_eq!(names, ["orders", "payment"]);
    let mut changed = module.clone();
    let last = changed.len() - 1;
    let at = changed.windows(8).rposition(|window| window == understudy_core::table::MAGIC).unwrap();
    changed[(at + 30).min(last)] ^= 1;
    check_refused(inspect(&changed), "module-mismatch", "another digest");
}

#[test]
fn two_snapshots_of_one_name_are_refused() {
    let tables = ["payment", "payment"].map(table_of);
    let shelf = understudy_core::table::shelf(&tables).unwrap();
    check_refused(
        bundle(&probe(), &shelf, &info()),
        "module-one-name",
        "change `name` in one's snapshot.yaml",
    );
}
