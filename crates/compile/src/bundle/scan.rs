//! One pass over a module's sections: where the parts are that the bundler cares about.
//!
//! It looks at section headers and at what it needs inside; it copies nothing and never validates code, so that a module of 1 GiB takes
//! no memory and hardly any time.

use super::abi::{EXPORT_LENGTH, EXPORT_READ, IMPORT_LENGTH, IMPORT_MODULE, IMPORT_READ, SECTION};
use super::error::BundleError;
use std::ops::Range;
use wasmparser::{
    BinaryReaderError, Chunk, DataKind, DataSectionReader, ExternalKind, FunctionBody, Operator, Parser,
    Payload, TypeRef,
};

const MAGIC: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Where the parts of a module are.
#[derive(Default)]
pub(super) struct Outline<'a> {
    /// What the custom section `understudy.table` holds.
    pub(super) record: Option<&'a [u8]>,
    /// The data section.
    pub(super) data: Option<Data<'a>>,
    /// How many local variables all functions declare.
    pub(super) locals: u64,
    imports: Pair<()>,
    exports: Pair<u32>,
    bodies: Pair<FunctionBody<'a>>,
    /// How many functions came by so far: the index of the next one.
    functions: u32,
}

/// Something of the function that gives the table's length, and of the one that reads it.
struct Pair<T> {
    length: Option<T>,
    read: Option<T>,
}

impl<T> Default for Pair<T> {
    fn default() -> Self {
        Self { length: None, read: None }
    }
}

/// The data section.
pub(super) struct Data<'a> {
    /// Where its header begins.
    pub(super) start: usize,
    /// Its place without the header.
    pub(super) content: Range<usize>,
    reader: DataSectionReader<'a>,
}

impl<'a> Outline<'a> {
    /// Goes through a module.
    ///
    /// # Errors
    /// [`BundleError::NotWasm`], [`BundleError::Truncated`], [`BundleError::Malformed`].
    pub(super) fn of(module: &'a [u8]) -> Result<Self, BundleError> {
        let magic = module.get(..MAGIC.len()).unwrap_or(module);
        if module.is_empty() || !MAGIC.starts_with(magic) {
            return Err(BundleError::NotWasm);
        }
        let (mut outline, mut parser, mut at) = (Self::default(), Parser::new(0), 0);
        loop {
            let rest = module.get(at..).unwrap_or_default();
            // Not told that this is the end of the file, the parser says when it wants more.
            match parser.parse(rest, rest.is_empty()).map_err(BundleError::malformed)? {
                Chunk::NeedMoreData(_) => return Err(BundleError::Truncated { length: module.len() as u64 }),
                Chunk::Parsed { payload: Payload::End(_), .. } => return Ok(outline),
                Chunk::Parsed { payload: Payload::UnknownSection { id, .. }, .. } => {
                    return Err(BundleError::malformed(format_args!("section {id} is unknown")));
                }
                Chunk::Parsed { consumed, payload } => {
                    outline.take(payload, at).map_err(BundleError::malformed)?;
                    at += consumed;
                }
            }
        }
    }

    fn take(&mut self, payload: Payload<'a>, at: usize) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::CustomSection(section) if section.name() == SECTION => {
                // Of two, the first counts: the bundler writes it right behind the module's magic.
                self.record.get_or_insert(section.data());
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if matches!(import.ty, TypeRef::Func(_)) {
                        self.functions = self.functions.saturating_add(1);
                    }
                    match (import.module, import.name) {
                        (IMPORT_MODULE, IMPORT_LENGTH) => self.imports.length = Some(()),
                        (IMPORT_MODULE, IMPORT_READ) => self.imports.read = Some(()),
                        _ => {}
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    match (export.kind, export.name) {
                        (ExternalKind::Func, EXPORT_LENGTH) => self.exports.length = Some(export.index),
                        (ExternalKind::Func, EXPORT_READ) => self.exports.read = Some(export.index),
                        _ => {}
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.body(body)?,
            Payload::DataSection(reader) => {
                self.data = Some(Data { start: at, content: reader.range(), reader });
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: FunctionBody<'a>) -> Result<(), BinaryReaderError> {
        for locals in body.get_locals_reader()? {
            self.locals = self.locals.saturating_add(u64::from(locals?.0));
        }
        let index = Some(self.functions);
        self.functions = self.functions.saturating_add(1);
        if index == self.exports.length {
            self.bodies.length = Some(body);
        } else if index == self.exports.read {
            self.bodies.read = Some(body);
        }
        Ok(())
    }

    /// Whether this is the compiled filter, whose imports have no bodies yet.
    ///
    /// # Errors
    /// [`BundleError::Foreign`] where one of the two is missing.
    pub(super) fn is_compiled(&self) -> Result<bool, BundleError> {
        match (self.imports.length, self.imports.read) {
            (None, None) => Ok(false),
            (Some(()), Some(())) => Ok(true),
            (None, _) => Err(BundleError::Foreign { missing: "it has no import understudy.table_length" }),
            (_, None) => Err(BundleError::Foreign { missing: "it has no import understudy.table_read" }),
        }
    }

    /// The table's length and segment, as the two exported functions have them.
    ///
    /// # Errors
    /// [`BundleError::Mismatch`] where they aren't as the bundler writes them.
    pub(super) fn wiring(&self) -> Result<(u32, u32), BundleError> {
        let mismatch = |problem| BundleError::Mismatch { problem };
        let length = self.bodies.length.as_ref().and_then(length_of).ok_or_else(|| {
            mismatch("the function understudy_table_length is missing or not what the bundler writes")
        })?;
        let segment = self.bodies.read.as_ref().and_then(segment_of).ok_or_else(|| {
            mismatch("the function understudy_table_read is missing or not what the bundler writes")
        })?;
        Ok((length, segment))
    }

    /// The bytes of a passive data segment.
    ///
    /// # Errors
    /// [`BundleError::Mismatch`] where there is no such segment, [`BundleError::Malformed`].
    pub(super) fn segment(&self, index: u32) -> Result<&'a [u8], BundleError> {
        let segments = self.data.iter().flat_map(|data| data.reader.clone());
        for (at, segment) in (0..).zip(segments) {
            let segment = segment.map_err(BundleError::malformed)?;
            if at == index && matches!(segment.kind, DataKind::Passive) {
                return Ok(segment.data);
            }
        }
        Err(BundleError::Mismatch { problem: "the table's data segment is missing" })
    }
}

/// What a function gives whose body is a constant.
fn length_of(body: &FunctionBody<'_>) -> Option<u32> {
    let mut operators = body.get_operators_reader().ok()?;
    match (operators.read().ok()?, operators.read().ok()?) {
        (Operator::I32Const { value }, Operator::End) if operators.eof() => Some(value as u32),
        _ => None,
    }
}

/// The segment that a function reads whose body is one `memory.init`.
fn segment_of(body: &FunctionBody<'_>) -> Option<u32> {
    let mut operators = body.get_operators_reader().ok()?;
    // `memory.init` takes the destination, the offset and the length, in this order; the offset is the first parameter.
    for expected in [1, 0, 2] {
        match operators.read().ok()? {
            Operator::LocalGet { local_index } if local_index == expected => {}
            _ => return None,
        }
    }
    match (operators.read().ok()?, operators.read().ok()?) {
        (Operator::MemoryInit { data_index, mem: 0 }, Operator::End) if operators.eof() => Some(data_index),
        _ => None,
    }
}
