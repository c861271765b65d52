//! The surgery: gives the filter's two table functions their bodies, and makes room for the table.
//!
//! walrus rewrites the filter with an empty segment; the table itself never goes through walrus, which would copy it several times.

use super::abi::{
    EXPORT_LENGTH, EXPORT_READ, FILTER_LIMIT, IMPORT_LENGTH, IMPORT_MODULE, IMPORT_READ, SECTION,
};
use super::error::BundleError;
use super::inspect::inspect;
use super::leb;
use super::scan::Outline;
use walrus::{DataId, DataKind, ExportItem, FunctionBuilder, FunctionId, FunctionKind, LocalId, ValType};
use wasmparser::{Validator, WasmFeatures};

/// Of local variables walrus makes an object each, and a module of a few bytes can declare many.
const LOCALS_LIMIT: u64 = 1 << 20;
/// Callbacks that the SDK exports and the filter doesn't use. Envoy calls none that isn't exported; `on_done` and `on_log` would cost each
/// stream a call into the VM. (A stream's end reaches the filter by `on_delete`.)
const UNUSED_CALLBACKS: [&str; 14] = [
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_data",
    "proxy_on_upstream_connection_close",
    "proxy_on_queue_ready",
    "proxy_on_foreign_function",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_vm_start",
];
const MISSING_MEMORY: BundleError = BundleError::Foreign { missing: "it has no memory" };

/// A filter without a table, taken apart.
pub(super) struct Base {
    module: walrus::Module,
    length: FunctionId,
    read: FunctionId,
    /// The empty segment of a plain module.
    segment: Option<DataId>,
}

/// A filter that expects a table of some length in an empty segment, which is its last.
pub(super) struct Grafted {
    bytes: Vec<u8>,
    /// The segment's index.
    pub(super) segment: u32,
}

impl Base {
    /// Takes the compiled filter or a plain module.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, BundleError> {
        let outline = Outline::of(bytes)?;
        let compiled = outline.is_compiled()?;
        let segment = match (compiled, outline.record) {
            (true, _) => None,
            (false, None) => {
                return Err(BundleError::Foreign { missing: "it has no import understudy.table_length" });
            }
            (false, Some(_)) => {
                let info = inspect(bytes)?;
                if !info.is_plain() {
                    let (digest, snapshot) = (info.digest(), info.record.snapshot);
                    return Err(BundleError::TwoTables { digest, snapshot });
                }
                Some(info.record.table.segment)
            }
        };
        if bytes.len() > FILTER_LIMIT || outline.locals > LOCALS_LIMIT {
            return Err(BundleError::Foreign { missing: "it is far too big" });
        }
        // walrus takes more than Envoy does, and isn't made for modules that aren't valid.
        let mut validator = Validator::new_with_features(WasmFeatures::WASM2);
        validator.validate_all(bytes).map_err(BundleError::malformed)?;
        let mut config = walrus::ModuleConfig::new();
        config.generate_producers_section(false).legacy_exceptions(false).only_stable_features(true);
        let mut module = config.parse(bytes).map_err(BundleError::malformed)?;
        // The description of the empty table makes way for a new one.
        while module.customs.remove_raw(SECTION).is_some() {}
        if compiled { Self::compiled(module) } else { Self::plain(module, segment) }
    }

    /// Turns the two imports into exports, whose bodies [`Self::graft`] makes.
    fn compiled(mut module: walrus::Module) -> Result<Self, BundleError> {
        let mut export = |from: &str, to: &str| {
            let missing = BundleError::Foreign { missing: "its import understudy.table_* is no function" };
            let Ok(function) = module.imports.get_func(IMPORT_MODULE, from) else { return Err(missing) };
            module.imports.remove(IMPORT_MODULE, from).map_err(|_| missing)?;
            // Somebody else's export under that name would make the module invalid.
            if module.exports.iter().any(|export| export.name == to) {
                return Err(BundleError::Foreign { missing: "it has exports that only the bundler makes" });
            }
            module.exports.add(to, ExportItem::Function(function));
            module.funcs.get_mut(function).name = Some(to.to_owned());
            Ok(function)
        };
        let (length, read) = (export(IMPORT_LENGTH, EXPORT_LENGTH)?, export(IMPORT_READ, EXPORT_READ)?);
        for name in UNUSED_CALLBACKS {
            // One that isn't there needn't be removed.
            let _ = module.exports.remove(name);
        }
        if module.imports.iter().any(|import| import.module == IMPORT_MODULE) {
            return Err(BundleError::Foreign { missing: "it has imports that this understudy doesn't know" });
        }
        Ok(Self { module, length, read, segment: None })
    }

    fn plain(module: walrus::Module, segment: Option<u32>) -> Result<Self, BundleError> {
        let missing = || BundleError::Foreign { missing: "its table functions or its segment are missing" };
        let length = module.exports.get_func(EXPORT_LENGTH).map_err(|_| missing())?;
        let read = module.exports.get_func(EXPORT_READ).map_err(|_| missing())?;
        let segments: Vec<_> = module.data.iter().map(walrus::Data::id).collect();
        match segments.split_last() {
            Some((last, others)) if Some(others.len()) == segment.map(|index| index as usize) => {
                Ok(Self { module, length, read, segment: Some(*last) })
            }
            _ => Err(missing()),
        }
    }

    /// Gives the two functions bodies for a table of `length` bytes.
    pub(super) fn graft(mut self, length: u32) -> Result<Grafted, BundleError> {
        let memory = self.module.memories.iter().next().ok_or(MISSING_MEMORY)?.id();
        let segment = match self.segment {
            Some(segment) => segment,
            None => self.module.data.add(DataKind::Passive, Vec::new()),
        };
        self.set_body(self.length, &[], &[ValType::I32], |body, _| {
            body.i32_const(length.cast_signed());
        })?;
        self.set_body(self.read, &[ValType::I32; 3], &[], |body, parameters| {
            for at in [1, 0, 2] {
                body.local_get(parameters[at]);
            }
            body.memory_init(memory, segment);
        })?;
        let segments = self.module.data.iter().count();
        Ok(Grafted {
            bytes: self.module.emit_wasm(),
            segment: u32::try_from(segments.saturating_sub(1)).unwrap_or(u32::MAX),
        })
    }

    /// Replaces a function's body in place, so that its callers inside the module get the new one: walrus' `replace_exported_func`
    /// changes the export alone.
    fn set_body(
        &mut self,
        function: FunctionId,
        parameters: &[ValType],
        results: &[ValType],
        build: impl FnOnce(&mut walrus::InstrSeqBuilder<'_>, &[LocalId]),
    ) -> Result<(), BundleError> {
        let module = &mut self.module;
        let of = module.types.get(module.funcs.get(function).ty());
        if of.params() != parameters || of.results() != results {
            return Err(BundleError::Foreign { missing: "its table functions have other parameters" });
        }
        let locals: Vec<_> = parameters.iter().map(|of| module.locals.add(*of)).collect();
        let mut builder = FunctionBuilder::new(&mut module.types, parameters, results);
        build(&mut builder.func_body(), &locals);
        module.funcs.get_mut(function).kind = FunctionKind::Local(builder.local_func(locals));
        Ok(())
    }
}

impl Grafted {
    /// What comes before and after a table of `length` bytes in the finished module, with `section` right behind the magic.
    pub(super) fn around_table(
        &self,
        length: usize,
        section: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), BundleError> {
        let lost = || BundleError::malformed("the rewritten filter lost its data segment");
        let outline = Outline::of(&self.bytes)?;
        let data = outline.data.ok_or_else(lost)?;
        let (magic, sections) = self.bytes.split_at_checked(8).ok_or_else(lost)?;
        let sections = sections.get(..data.start.saturating_sub(8)).ok_or_else(lost)?;
        // The empty segment is the last: 1 for passive, 0 for its length.
        let content = self.bytes.get(data.content.clone()).and_then(|bytes| bytes.strip_suffix(&[1, 0]));
        let content = content.ok_or_else(lost)?;
        let after = self.bytes.get(data.content.end..).ok_or_else(lost)?;

        let mut before = [magic, section, sections, &[11]].concat();
        let segment = 1 + leb::length(length as u64) + length;
        leb::push(&mut before, (content.len() + segment) as u64);
        before.extend_from_slice(content);
        before.push(1);
        leb::push(&mut before, length as u64);
        Ok((before, after.to_vec()))
    }
}
