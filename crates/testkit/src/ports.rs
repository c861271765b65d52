//! Ports for programs that need a port number as an argument.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which systems choose free ports, so that no other program gets one of these
/// in between.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Ports on which nothing listens, each returned once in this process.
pub fn ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other test programs begin at other numbers.
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
