//! The difference of two texts: removed and added lines. For `snapshot.yaml`, which is short.

/// The maximum number of compared lines. In longer texts, only equal lines at the ends are
/// recognised.
const COMPARED: usize = 2_000;

/// A removed (`false`) or added (`true`) line, with its number in its text.
pub(crate) type LineChange = (bool, usize, String);

/// The lines that differ.
pub(crate) fn between(old: &str, new: &str) -> Vec<LineChange> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let kept = if gone.len().max(come.len()) > COMPARED { Vec::new() } else { common(gone, come) };
    let mut changes = Vec::new();
    let (mut a, mut b) = (0, 0);
    for (next_a, next_b) in kept.into_iter().chain([(gone.len(), come.len())]) {
        let line = |came, at: usize, text: &str| (came, start + at + 1, text.to_owned());
        changes.extend((a..next_a).map(|at| line(false, at, gone[at])));
        changes.extend((b..next_b).map(|at| line(true, at, come[at])));
        (a, b) = (next_a + 1, next_b + 1);
    }
    changes
}

/// The longest common subsequence, as pairs of places.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut length = vec![0u16; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            length[a * width + b] = match old[a] == new[b] {
                true => length[(a + 1) * width + b + 1] + 1,
                false => length[(a + 1) * width + b].max(length[a * width + b + 1]),
            };
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        if old[a] == new[b] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if length[(a + 1) * width + b] >= length[a * width + b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_listed_with_their_numbers() {
        let check = |old: &str, new: &str, expect: &[&str]| {
            let lines: Vec<_> = between(old, new)
                .into_iter()
                .map(|(came, number, text)| format!("{}{number} {text}", if came { '+' } else { '-' }))
                .collect();
            assert_eq!(lines, expect);
        };
        check("a\nb\n", "a\nb\n", &[]);
        check("a\nb\nc", "a\nx\nc", &["-2 b", "+2 x"]);
        check("a\nb\nc\nd", "b\nc\nnew\nd\ne", &["-1 a", "+3 new", "+5 e"]);
        check("", "a", &["+1 a"]);
        check("a", "", &["-1 a"]);
    }
}
