//! XML bodies in normal form, SOAP's among them: what is left when all that XML says is insignificant is gone.
//!
//! The rules are Canonical XML 1.1's, on XML 1.0 (fifth edition), but for names: they stay as written, prefixes and all, and no
//! namespace is resolved. White space between elements is dropped where an element holds no other text, unless `xml:space` says otherwise. A
//! document type could change what any of it means, so a text with one isn't read. Nothing recurses: depth costs memory in proportion to the text.
//!
//! The root is the one member of an ordered object, besides processing instructions. An element with text alone is that text; any other
//! is an ordered object of its attributes (`"@name"`), then children and runs of text (`"#text"`) in order.

mod markup;

use super::json::write_string;
use markup::{Cursor, Reference, Tag};

/// Appends the tree text of an XML document. Gives `false`, and appends nothing, where the text isn't one.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let Ok(valid) = std::str::from_utf8(text) else { return false };
    let cursor = Cursor::new(valid.strip_prefix('\u{feff}').unwrap_or(valid).as_bytes());
    let mut writer =
        Writer { cursor, out, open: Vec::new(), run: Vec::new(), is_kept: false, gaps: Vec::new() };
    let written = writer.document().is_some();
    let gaps = writer.gaps;
    if !written {
        out.truncate(start);
    } else if gaps.iter().any(|gap| gap.is_dropped) {
        drop_gaps(&gaps, start, out);
    }
    written
}

/// An element that is open.
struct Element<'a> {
    name: &'a [u8],
    /// Its ordered object has been begun: it has attributes or children.
    is_object: bool,
    has_members: bool,
    has_children: bool,
    /// It holds text that says something, so that all of its text does.
    has_text: bool,
    /// The last of its [`Gap`]s.
    last_gap: Option<usize>,
    /// `xml:space="preserve"` (XML 1.0, 2.10).
    keeps_space: bool,
}

/// White space between two elements, as it was written to the output: whether it means anything is known when its element ends.
struct Gap {
    start: usize,
    end: usize,
    /// The one before, of the same element.
    previous: Option<usize>,
    is_dropped: bool,
}

struct Writer<'a, 'o> {
    cursor: Cursor<'a>,
    out: &'o mut Vec<u8>,
    open: Vec<Element<'a>>,
    /// The text since the last tag.
    run: Vec<u8>,
    /// Some of the run was written as a reference or CDATA: it stays even if it is white space.
    is_kept: bool,
    gaps: Vec<Gap>,
}

impl<'a> Writer<'a, '_> {
    /// Prolog, root, and what may follow it (XML 1.0, 2.1 and 2.8).
    fn document(&mut self) -> Option<()> {
        self.cursor.declaration()?;
        self.out.push(b'(');
        let mut document = Element::new(b"", true);
        let mut has_root = false;
        loop {
            self.cursor.space();
            if self.cursor.is_at_end() {
                break;
            }
            if self.cursor.take(b"<!--") {
                self.cursor.comment()?;
            } else if self.cursor.take(b"<?") {
                comma(&mut document, self.out);
                self.instruction()?;
            } else if self.cursor.take(b"<") && !has_root {
                has_root = true;
                comma(&mut document, self.out);
                self.start(false)?;
                self.content()?;
            } else {
                return None;
            }
        }
        self.out.push(b')');
        has_root.then_some(())
    }

    /// What the elements that are open hold, to the end of the last of them (XML 1.0, 3.1 and 3.2).
    fn content(&mut self) -> Option<()> {
        while !self.open.is_empty() {
            let text = self.cursor.until(b"<&")?;
            if text.windows(3).any(|w| w == b"]]>") {
                return None;
            }
            markup::push_lines(text, &mut self.run);
            if self.cursor.take(b"&") {
                let Reference { text, is_char } = self.cursor.reference()?;
                self.run.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
                self.is_kept |= is_char;
            } else if self.cursor.take(b"<!--") {
                self.cursor.comment()?;
            } else if self.cursor.take(b"<![CDATA[") {
                let text = self.cursor.before(b"]]>")?;
                markup::push_lines(text, &mut self.run);
                self.is_kept |= !text.is_empty();
            } else if self.cursor.take(b"<?") {
                self.child();
                self.instruction()?;
            } else if self.cursor.take(b"</") {
                self.end()?;
            } else if self.cursor.take(b"<") {
                let keeps_space = self.child();
                self.start(keeps_space)?;
            }
        }
        Some(())
    }

    /// A start tag, after its `<`.
    fn start(&mut self, mut keeps_space: bool) -> Option<()> {
        let Tag { name, attributes, is_empty } = self.cursor.tag()?;
        write_string(name, self.out);
        self.out.push(b':');
        let mut element = Element::new(name, !attributes.is_empty());
        if element.is_object {
            self.out.push(b'(');
        }
        for (name, value) in attributes {
            match (name.as_slice(), value.as_slice()) {
                (b"xml:space", b"preserve") => keeps_space = true,
                (b"xml:space", b"default") => keeps_space = false,
                _ => {}
            }
            comma(&mut element, self.out);
            write_string(&[b"@", name.as_slice()].concat(), self.out);
            self.out.push(b':');
            write_string(&value, self.out);
        }
        element.keeps_space = keeps_space;
        self.open.push(element);
        if is_empty { self.close() } else { Some(()) }
    }

    /// An end tag, after its `</`.
    fn end(&mut self) -> Option<()> {
        let name = self.cursor.name()?;
        self.cursor.space();
        if self.open.last()?.name != name || !self.cursor.take(b">") {
            return None;
        }
        self.close()
    }

    /// Ends the innermost element.
    fn close(&mut self) -> Option<()> {
        let mut element = self.open.pop()?;
        if element.is_object {
            let is_whole = !element.has_children && !self.run.is_empty();
            if is_whole || self.says_something(&element) {
                comma(&mut element, self.out);
                self.text();
                element.has_text = true;
            }
            self.out.push(b')');
        } else {
            write_string(&self.run, self.out);
        }
        self.end_run();
        if !element.has_text {
            while let Some(gap) = element.last_gap.and_then(|at| self.gaps.get_mut(at)) {
                gap.is_dropped = true;
                element.last_gap = gap.previous;
            }
        }
        Some(())
    }

    /// Prepares the innermost element for a child. Gives whether white space is to be kept in it.
    fn child(&mut self) -> bool {
        let Some(mut element) = self.open.pop() else { return false };
        if !element.is_object {
            element.is_object = true;
            self.out.push(b'(');
        }
        element.has_children = true;
        comma(&mut element, self.out);
        if !self.run.is_empty() {
            let start = self.out.len();
            let says_something = self.says_something(&element);
            self.text();
            // The comma before the child is part of the gap: the one before the gap stays.
            self.out.push(b',');
            if says_something {
                element.has_text = true;
            } else {
                let gap = Gap { start, end: self.out.len(), previous: element.last_gap, is_dropped: false };
                element.last_gap = Some(self.gaps.len());
                self.gaps.push(gap);
            }
        }
        self.end_run();
        let keeps_space = element.keeps_space;
        self.open.push(element);
        keeps_space
    }

    /// Whether the run is more than white space between elements.
    fn says_something(&self, element: &Element<'_>) -> bool {
        let is_kept = self.is_kept || element.has_text || element.keeps_space;
        !self.run.is_empty() && (is_kept || !self.run.iter().all(|&b| markup::is_space(b)))
    }

    fn text(&mut self) {
        self.out.extend_from_slice(b"\"#text\":");
        write_string(&self.run, self.out);
    }

    fn end_run(&mut self) {
        self.run.clear();
        self.is_kept = false;
    }

    /// A processing instruction, after its `<?`: part of what is said, since it is meant for a program (XML 1.0, 2.6).
    fn instruction(&mut self) -> Option<()> {
        let target = self.cursor.name()?;
        let data = self.cursor.before(b"?>")?;
        let is_apart = data.first().is_none_or(|&b| markup::is_space(b));
        if !is_apart || target.eq_ignore_ascii_case(b"xml") {
            return None;
        }
        write_string(&[b"?", target].concat(), self.out);
        self.out.push(b':');
        let mut lines = Vec::new();
        markup::push_lines(data.trim_ascii_start(), &mut lines);
        write_string(&lines, self.out);
        Some(())
    }
}

impl<'a> Element<'a> {
    fn new(name: &'a [u8], is_object: bool) -> Self {
        Self {
            name,
            is_object,
            has_members: false,
            has_children: false,
            has_text: false,
            last_gap: None,
            keeps_space: false,
        }
    }
}

/// Closes the gaps that mean nothing, from `start` on.
fn drop_gaps(gaps: &[Gap], start: usize, out: &mut Vec<u8>) {
    let (mut to, mut from) = (start, start);
    let end = out.len();
    for (gap_start, gap_end) in gaps.iter().filter(|gap| gap.is_dropped).map(|gap| (gap.start, gap.end)) {
        out.copy_within(from..gap_start, to);
        to = to.saturating_add(gap_start.saturating_sub(from));
        from = gap_end;
    }
    out.copy_within(from..end, to);
    out.truncate(to.saturating_add(end.saturating_sub(from)));
}

/// Writes what stands between an element's members.
fn comma(element: &mut Element<'_>, out: &mut Vec<u8>) {
    if element.has_members {
        out.push(b',');
    }
    element.has_members = true;
}

#[cfg(test)]
mod tests;
