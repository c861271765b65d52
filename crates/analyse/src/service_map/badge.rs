//! Badges: a few letters on a colour for each technology. No trademark, no picture.

/// How a technology is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Badge {
    name: &'static str,
    /// The colour behind the letters, as `#rrggbb`. White letters on it have a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
    pub colour: &'static str,
}

/// Those that are met often, so that no two of them look alike.
const KNOWN: [(&str, &str); 15] = [
    ("AWS", "#9a4d00"),
    ("DynamoDB", "#3b4cc0"),
    ("GCP", "#1a66c9"),
    ("GraphQL", "#b3137f"),
    ("gRPC", "#1f7478"),
    ("HTTP", "#5b6776"),
    ("Hubspot", "#b8431f"),
    ("Kinesis", "#7442b8"),
    ("OpenAI", "#0f6e56"),
    (OTHERS, "#5b6776"),
    ("Plaid", "#3d4f66"),
    ("S3", "#3f7312"),
    ("SNS", "#b0234f"),
    ("SQS", "#a8245f"),
    ("Stripe", "#5a4fe0"),
];

/// Those whose letters the rule would get wrong.
const LETTERS: [(&str, &str); 4] = [("gRPC", "gR"), ("gRPC-Web", "gW"), ("HTTP", "H"), (OTHERS, "+")];

/// What the backends are called that have no place of their own.
pub(super) const OTHERS: &str = "others";

/// For all others, by their name.
const PALETTE: [&str; 10] = [
    "#a33a2a", "#8f4e00", "#6b6100", "#3f7312", "#12715b", "#0f6c86", "#2a5fc0", "#5b4fc9", "#8a3fb0",
    "#ad2b70",
];

impl Badge {
    pub(super) fn of(name: &'static str) -> Self {
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, colour)| *colour);
        // FNV-1a: the same on each machine, and from one version to the next.
        let hash =
            name.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self { name, colour: known.unwrap_or(PALETTE[hash as usize % PALETTE.len()]) }
    }

    /// One to three letters: a short name as it is; the initials of several words, or of one such as `GitHub`; else how the name begins.
    pub fn letters(self) -> String {
        if let Some((_, letters)) = LETTERS.iter().find(|(name, _)| *name == self.name) {
            return (*letters).to_owned();
        }
        let words: Vec<&str> = self.name.split([' ', '-', '/']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [word] if word.len() <= 3 => (*word).to_owned(),
            [word] => {
                let initials: String = word.chars().filter(char::is_ascii_uppercase).take(2).collect();
                if initials.len() == 2 { initials } else { word.chars().take(2).collect() }
            }
            words => words.iter().take(2).filter_map(|word| word.chars().next()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::technology::{AWS_SERVICES, BY_SHAPE, GCP_SERVICES, SERVICES};

    #[test]
    fn letters_are_few() {
        let check = |name, expect: &str| assert_eq!(Badge::of(name).letters(), expect);
        check("S3", "S3");
        check("SQS", "SQS");
        check("Stripe", "St");
        check("Secrets Manager", "SM");
        check("Pub/Sub", "PS");
        check("GitHub", "GH");
        check("DynamoDB", "DD");
        check("HTTP", "H");
        check("DynamoDB Streams", "DS");
        let shape = BY_SHAPE.iter().copied();
        let tags = SERVICES.iter().map(|s| s.tag).chain(AWS_SERVICES.iter().map(|s| s.tag)).chain(shape);
        for tag in tags.chain(GCP_SERVICES.iter().map(|s| s.tag)) {
            assert!((1..=3).contains(&Badge::of(tag.name).letters().chars().count()), "{}", tag.name);
        }
    }

    #[test]
    fn white_letters_can_be_read_on_each_colour() {
        for colour in KNOWN.iter().map(|(_, colour)| *colour).chain(PALETTE) {
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            let luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{colour}");
        }
    }
}
