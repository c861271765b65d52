//! Puts snapshots through their changes: `cargo run -p understudy-testkit-mutation --example
//! mutations FOLDER...`. Rules are taken as they are.

fn main() {
    let mut wrong = false;
    for folder in std::env::args().skip(1) {
        let outcome = understudy_testkit_mutation::mutations(std::path::Path::new(&folder));
        println!("{folder}: {outcome}");
        for exception in &outcome.exceptions {
            wrong = true;
            println!("  {exception}");
        }
    }
    assert!(!wrong, "there are exceptions");
}
