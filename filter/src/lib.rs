//! Understudy's proxy-wasm module: the shell between Envoy's callbacks and the engine.
