//! The seam to the host's functions, on bytes and without panics.
//!
//! The SDK's own wrappers unwrap statuses and header names, and copy header maps pair by pair.
//! These functions take a map as the one block that the host returns, and treat data that the host
//! can't return as absent.

use proxy_wasm::types::{BufferType, MapType};
use understudy_core::digest::{self, Digest};
use understudy_core::engine::{self, Reply, Side};
use understudy_core::headers::Headers;

const OK: u32 = 0;
/// The stream types of requests and responses (proxy-wasm ABI 0.2.1).
const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;
const CAS_MISMATCH: u32 = 8;
/// A number that no stored value has. With it, the host stores a value only if the key is absent.
const ONLY_IF_ABSENT: u32 = u32::MAX;
/// Maximum number of attempts to advance a turn while other workers advance it too.
const TURN_TRIES: u32 = 1000;
/// With it, the host stores a value in any case.
const WHATEVER_IS_THERE: u32 = 0;
/// Maximum number of slots for the recorded counterparts of live values, of some 150 bytes each.
const PLACES: u64 = 16_384;
/// A cursor is kept with the round that it is of: 24 bits of that, then 40 of the cursor.
const ROUND_SHIFT: u32 = 40;
const ROUND_MASK: u64 = (1 << 24) - 1;
const TURN_MASK: u64 = (1 << ROUND_SHIFT) - 1;

#[link(wasm_import_module = "env")]
#[allow(unsafe_code, reason = "the proxy-wasm ABI is a set of C functions")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, data: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_continue_stream(kind: u32) -> u32;
    fn proxy_close_stream(kind: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Calls a host function that gives bytes by allocating them here.
#[allow(unsafe_code, reason = "the host hands over memory that it allocated by proxy_on_memory_allocate")]
fn bytes_from(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut::<u8>(), 0usize);
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() || size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the SDK's proxy_on_memory_allocate made this with Vec::with_capacity(size) and forgot
    // it; the host filled it and gave it to us alone.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// A header map of the current stream or callout; empty if there is none.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn headers(map: MapType) -> Headers {
    // SAFETY: both pointers are to live variables of the caller's frame.
    let block = bytes_from(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) });
    Headers::from_block(block.unwrap_or_default())
}

/// Removes a header.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn remove_header(map: MapType, name: &[u8]) {
    // SAFETY: the host reads `name` during the call only. A header that isn't there is no error.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

/// Replaces all headers with these names.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn replace_headers(map: MapType, headers: &Headers) -> bool {
    headers.iter().all(|(name, value)| {
        // SAFETY: the host reads name and value during the call only.
        let status = unsafe {
            proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
        };
        status == OK
    })
}

/// Replaces the content of a buffer. Returns `false` if the host refuses.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn set_buffer(buffer: BufferType, bytes: &[u8]) -> bool {
    // SAFETY: the host copies the bytes during the call.
    let status =
        unsafe { proxy_set_buffer_bytes(buffer as u32, 0, u32::MAX as usize, bytes.as_ptr(), bytes.len()) };
    status == OK
}

/// Appends headers.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn add_headers(map: MapType, headers: &Headers) {
    for (name, value) in headers.iter() {
        // SAFETY: the host reads name and value during the call only.
        let status = unsafe {
            proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
        };
        if status != OK {
            log::warn!("a recorded trailer could not be added (status {status})");
        }
    }
}

/// Sets all headers, in this order.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn set_headers(map: MapType, headers: &Headers) {
    let block = headers.as_block();
    // SAFETY: the host reads the block during the call only.
    let status = unsafe { proxy_set_header_map_pairs(map as u32, block.as_ptr(), block.len()) };
    if status != OK {
        log::warn!("recorded headers could not be set (status {status})");
    }
}

/// Bytes of a buffer; empty if there is none.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn buffer(buffer: BufferType, start: usize, max: usize) -> Vec<u8> {
    // SAFETY: both pointers are to live variables of the caller's frame.
    let bytes =
        bytes_from(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, start, max, data, size) });
    bytes.unwrap_or_default()
}

/// A property of the current stream or of the proxy.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: the host reads the path during the call only.
    bytes_from(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Metadata that Istio sets about the proxy's own workload. Newer versions of Envoy have the node
/// below `xds`.
fn of_node(path: &[&str]) -> Option<Vec<u8>> {
    let below = |root: &[&'static str]| property(&[root, path].concat());
    below(&["xds", "node", "metadata"]).or_else(|| below(&["node", "metadata"]))
}

/// An annotation of the workload's pod.
pub(crate) fn annotation(name: &str) -> Option<Vec<u8>> {
    of_node(&["ANNOTATIONS", name])
}

/// The name of the workload: that of its Deployment, as a rule.
pub(crate) fn workload_name() -> Option<String> {
    of_node(&["WORKLOAD_NAME"]).and_then(|name| String::from_utf8(name).ok())
}

/// Answers the current stream's request. Gives `false` where the host refuses.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn send(reply: &Reply) -> bool {
    let (headers, body) = (reply.headers.as_block(), &reply.body);
    let details = "understudy";
    // SAFETY: the host copies all of it during the call.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            reply.grpc_status.unwrap_or(-1),
        )
    };
    status == OK
}

/// Makes a context current, so that the host's calls of this callback apply to it. Returns `false`
/// if it no longer exists.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn act_for(context: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { proxy_set_effective_context(context) == OK }
}

/// Sets the period of the root's tick, beginning with the next one.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn set_tick_period(period: std::time::Duration) -> bool {
    let millis = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(millis) == OK }
}

/// Lets a request that was held go on.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn go_on() {
    // SAFETY: no pointers.
    unsafe { proxy_continue_stream(REQUEST) };
}

/// Ends the current stream without an answer: HTTP/1.1 loses its connection, HTTP/2 the stream.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn reset() {
    // SAFETY: no pointers.
    unsafe { proxy_close_stream(REQUEST) };
}

/// Ends the current stream in the middle of its answer.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn cut() {
    // SAFETY: no pointers.
    unsafe { proxy_close_stream(RESPONSE) };
}

/// A counter of Envoy's, defined when it is first wanted.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    const COUNTER: u32 = 0;
    let mut id = 0;
    // SAFETY: the host reads the name during the call and writes to a live variable.
    let status = unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Adds to a counter.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn increment(counter: u32, by: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_increment_metric(counter, i64::try_from(by).unwrap_or(i64::MAX)) };
}

/// The time in microseconds since 1970.
#[allow(unsafe_code, reason = "a host call")]
pub(crate) fn now() -> u64 {
    let mut nanos = 0;
    // SAFETY: the host writes to a live variable.
    unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
    nanos / 1000
}

fn shared(key: &str) -> Option<(u64, u32)> {
    let (bytes, cas) = shared_bytes(key)?;
    Some((u64::from_le_bytes(bytes.try_into().ok()?), cas))
}

fn set_shared(key: &str, value: u64, cas: u32) -> u32 {
    set_shared_bytes(key, &value.to_le_bytes(), cas)
}

#[allow(unsafe_code, reason = "a host call")]
fn shared_bytes(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut cas = 0;
    // SAFETY: the host reads the key during the call and writes to live variables.
    let bytes = bytes_from(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    })?;
    Some((bytes, cas))
}

#[allow(unsafe_code, reason = "a host call")]
fn set_shared_bytes(key: &str, bytes: &[u8], cas: u32) -> u32 {
    // SAFETY: the host copies key and value during the call.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), bytes.as_ptr(), bytes.len(), cas) }
}

/// Key under which the recorded counterpart of a live value is stored. Shared data can't be
/// deleted, so values are hashed into a fixed number of slots; a collision overwrites the older
/// value.
fn place_of(table: &Digest, live: u64) -> String {
    format!("understudy.value.{}.{}", digest::hex(table), live % PLACES)
}

/// Key of the current round of a table's sequences: the number of times that they were reset.
fn round_of(table: &Digest) -> String {
    format!("understudy.round.{}", digest::hex(table))
}

/// The engine's host, for the current stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current;

impl engine::Host for Current {
    fn now(&mut self) -> u64 {
        now()
    }

    fn remove_request_header(&mut self, name: &str) {
        remove_header(MapType::HttpRequestHeaders, name.as_bytes());
    }

    fn body(&mut self, side: Side, start: usize, max: usize) -> Vec<u8> {
        let kind = match side {
            Side::Request => BufferType::HttpRequestBody,
            Side::Response => BufferType::HttpResponseBody,
        };
        buffer(kind, start, max)
    }

    fn protocol(&mut self) -> String {
        String::from_utf8_lossy(&property(&["request", "protocol"]).unwrap_or_default()).into_owned()
    }

    fn backend_answered(&mut self) -> bool {
        property(&["response", "code_details"]).is_none_or(|details| details == b"via_upstream")
    }

    fn client_left(&mut self) -> bool {
        let left = |details: &Vec<u8>| {
            [&b"downstream_"[..], b"http2.remote_"].iter().any(|by| details.starts_with(by))
        };
        property(&["response", "code_details"]).as_ref().is_some_and(left)
    }

    fn next_turn(&mut self, table: &Digest, signature: &Digest) -> u64 {
        let key = format!("understudy.turn.{}.{}", digest::hex(table), digest::hex(signature));
        let round = shared(&round_of(table)).map_or(0, |(round, _)| round);
        for _ in 0..TURN_TRIES {
            let (stored, cas) = shared(&key).unwrap_or((0, ONLY_IF_ABSENT));
            // A cursor of an earlier round is none.
            let turn = if stored >> ROUND_SHIFT == round & ROUND_MASK { stored & TURN_MASK } else { 0 };
            let next = ((round & ROUND_MASK) << ROUND_SHIFT) | (turn.wrapping_add(1) & TURN_MASK);
            if set_shared(&key, next, cas) != CAS_MISMATCH {
                return turn;
            }
        }
        log::warn!("too many workers advance a sequence at once: serving the first answer");
        0
    }

    fn recorded_value(&mut self, table: &Digest, live: u64) -> Option<u64> {
        let (stored, _) = shared_bytes(&place_of(table, live))?;
        let round = shared(&round_of(table)).map_or(0, |(round, _)| round);
        let numbers: Vec<u64> =
            stored.chunks_exact(8).filter_map(|n| Some(u64::from_le_bytes(n.try_into().ok()?))).collect();
        match numbers.as_slice() {
            [of_round, of_live, recorded] if (*of_round, *of_live) == (round, live) => Some(*recorded),
            _ => None,
        }
    }

    fn remember_value(&mut self, table: &Digest, live: u64, recorded: u64) {
        let round = shared(&round_of(table)).map_or(0, |(round, _)| round);
        let value: Vec<u8> = [round, live, recorded].into_iter().flat_map(u64::to_le_bytes).collect();
        set_shared_bytes(&place_of(table, live), &value, WHATEVER_IS_THERE);
    }

    fn restart_sequences(&mut self, table: &Digest) {
        let key = round_of(table);
        for _ in 0..TURN_TRIES {
            let (round, cas) = shared(&key).unwrap_or((0, ONLY_IF_ABSENT));
            if set_shared(&key, round.wrapping_add(1), cas) != CAS_MISMATCH {
                return;
            }
        }
        log::warn!("the sequences could not be restarted: too many workers restart them at once");
    }
}
