//! Where secrets are taken out: of all that leaves for the collector.

use super::Vm;
use crate::exchange::Exchange;
use crate::table::Segment;

impl<S: Segment> Vm<S> {
    /// Takes the secrets out of an exchange that is about to leave.
    pub(super) fn redact(&self, exchange: &mut Exchange) {
        if let Some(redactor) = &self.redactor {
            redactor.exchange(exchange);
        }
    }
}
