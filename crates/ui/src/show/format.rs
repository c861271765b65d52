//! Formats numbers, times and texts. Different texts stay different.

use understudy_core::time;

/// Makes invisible and misleading characters of a text visible: control characters except line
/// breaks and tabs, and characters that change the direction of text (Unicode Standard Annex 9, 2).
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            // The line break of Windows and of network protocols.
            '\r' => out.push('␍'),
            '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('␀')),
            '\u{7f}' => out.push('␡'),
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Writes bytes as [`visible`] text. Bytes that aren't UTF-8 become `\xNN`.
pub(crate) fn visible_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&visible(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Writes `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes `480 µs`, `12.3 ms`, `2.41 s`, `3 min 20 s`.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..100_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
        _ => format!("{} min {} s", micros / 60_000_000, micros % 60_000_000 / 1_000_000),
    }
}

/// Writes `512 B`, `12.3 kB`, `50.0 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// Writes a share in whole percents. It is only 0 or 100 if the share is exactly that.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) | (0, _) => "0 %".into(),
        _ if part == whole => "100 %".into(),
        _ => match (part * 200 / whole).div_ceil(2) {
            0 => "< 1 %".into(),
            100 => "> 99 %".into(),
            percent => format!("{percent} %"),
        },
    }
}

/// Writes `2026-11-21 15:48:39.621 UTC`.
pub(crate) fn date_time(micros: u64) -> String {
    let text = time::to_rfc3339(micros);
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", milliseconds(time)),
        None => text,
    }
}

/// Writes `15:48:39.621`.
pub(crate) fn clock(micros: u64) -> String {
    let text = time::to_rfc3339(micros);
    text.split_once('T').map_or(text.clone(), |(_, time)| milliseconds(time))
}

fn milliseconds(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{:0<3.3}", fraction)
}

/// The style class of a status: `ok`, `moved`, `wrong`, `broken`, `none`.
pub(crate) fn status_kind(status: u16) -> &'static str {
    match status {
        0 => "none",
        100..300 => "ok",
        300..400 => "moved",
        400..500 => "wrong",
        _ => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_for_reading() {
        let check = |got: String, expect: &str| assert_eq!(got, expect);
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_234_567), "1,234,567");
        check(duration(480), "480 µs");
        check(duration(12_345), "12.3 ms");
        check(duration(678_858), "678 ms");
        check(duration(2_410_000), "2.41 s");
        check(duration(200_000_000), "3 min 20 s");
        check(size(999), "999 B");
        check(size(12_345), "12.3 kB");
        check(size(50_000_000), "50.0 MB");
        check(percent(0, 0), "0 %");
        check(percent(147, 285), "52 %");
        check(percent(1, 1_000), "< 1 %");
        check(percent(999, 1_000), "> 99 %");
        check(percent(3, 3), "100 %");
        check(date_time(1_795_276_119_621_339), "2026-11-21 15:48:39.621 UTC");
        check(clock(1_795_276_119_000_000), "15:48:39.000");
    }

    #[test]
    fn invisible_character_is_made_visible() {
        let check = |text: &[u8], expect: &str| assert_eq!(visible_bytes(text), expect);
        check("a\tb\n".as_bytes(), "a\tb\n");
        check(b"\x1b[31m\0\x7f", "␛[31m␀␡");
        check("user\u{202e}gpj.exe".as_bytes(), "user⟨U+202E⟩gpj.exe");
        check(b"\xff\xfea", "\\xff\\xfea");
        check("ü€𝄞".as_bytes(), "ü€𝄞");
    }
}
