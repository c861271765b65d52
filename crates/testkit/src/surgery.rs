//! Filters that crash at a chosen place: real modules with a trap in one function.

use walrus::ir::BinaryOp;
use walrus::{FunctionBuilder, FunctionKind, Module, ValType};

/// A filter that crashes whenever Envoy calls this export of it, such as
/// `proxy_on_request_headers`.
pub fn trap_in(filter: &[u8], export: &str) -> Vec<u8> {
    let mut module = parse(filter);
    let function = module.exports.get_func(export).expect("the filter's export");
    let of = module.types.get(module.funcs.get(function).ty());
    let (parameters, results) = (of.params().to_vec(), of.results().to_vec());
    let locals = parameters.iter().map(|of| module.locals.add(*of)).collect();
    let mut builder = FunctionBuilder::new(&mut module.types, &parameters, &results);
    builder.func_body().unreachable();
    module.funcs.get_mut(function).kind = FunctionKind::Local(builder.local_func(locals));
    module.emit_wasm()
}

/// A bundled filter that crashes when it reads its table at this offset.
pub fn trap_at(filter: &[u8], offset: u32) -> Vec<u8> {
    let mut module = parse(filter);
    let function =
        module.exports.get_func(understudy_compile::bundle::EXPORT_READ).expect("a bundled filter");
    let memory = module.memories.iter().next().expect("a memory").id();
    // The bundler's segment is the last.
    let segment = module.data.iter().map(walrus::Data::id).last().expect("a data segment");
    let locals: Vec<_> = (0..3).map(|_| module.locals.add(ValType::I32)).collect();
    let mut builder = FunctionBuilder::new(&mut module.types, &[ValType::I32; 3], &[]);
    let mut body = builder.func_body();
    body.local_get(locals[0]).i32_const(offset.cast_signed()).binop(BinaryOp::I32Eq);
    body.if_else(
        None,
        |then| {
            then.unreachable();
        },
        |_| {},
    );
    for at in [1, 0, 2] {
        body.local_get(locals[at]);
    }
    body.memory_init(memory, segment);
    module.funcs.get_mut(function).kind = FunctionKind::Local(builder.local_func(locals));
    module.emit_wasm()
}

/// Offset of these bytes in a table. Panics unless they occur exactly once.
pub fn offset_of(table: &[u8], bytes: &[u8]) -> u32 {
    let mut places = table.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes);
    let (at, _) = places.next().expect("the bytes are in the table");
    assert!(places.next().is_none(), "the bytes are in the table more than once");
    u32::try_from(at).expect("a table of 32 bits")
}

fn parse(filter: &[u8]) -> Module {
    Module::from_buffer(filter).expect("a module")
}
