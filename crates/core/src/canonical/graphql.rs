pub(super) fn is_document(_: &[u8]) -> bool {
    false
}
pub(super) fn write(_: &[u8], _: &mut Vec<u8>) -> bool {
    false
}
pub(super) fn operation_name(_: &[u8]) -> Option<Vec<u8>> {
    None
}
