//! Ports for programs that have to be told one.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that systems give to whoever asks for any, so that nobody else gets one of these in
/// between.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Ports where nobody listens, each once in this process.
pub fn ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another test program begins elsewhere.
    let begin = u16::try_from(std::process::id() * 97 % u32::from(LAST - FIRST)).expect("small");
    [(); N].map(|()| {
        for _ in FIRST..LAST {
            let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(begin) % (LAST - FIRST);
            if TcpListener::bind(("127.0.0.1", FIRST + number)).is_ok() {
                return FIRST + number;
            }
        }
        panic!("nothing is free from {FIRST} to {LAST}")
    })
}
