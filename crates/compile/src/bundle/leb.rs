//! LEB128, the integers of the WebAssembly binary format.

/// Appends an unsigned number in as few bytes as it takes.
pub(super) fn push(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// How many bytes [`push`] appends.
pub(super) fn length(value: u64) -> usize {
    (value.max(1).ilog2() / 7 + 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_form() {
        let check = |value: u64, expect: &[u8]| {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(bytes, expect);
            assert_eq!(length(value), expect.len());
        };
        check(0, &[0]);
        check(1, &[1]);
        check(127, &[0x7f]);
        check(128, &[0x80, 1]);
        check(16_383, &[0xff, 0x7f]);
        check(16_384, &[0x80, 0x80, 1]);
        check(624_485, &[0xe5, 0x8e, 0x26]);
        check(u64::from(u32::MAX), &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    }
}
