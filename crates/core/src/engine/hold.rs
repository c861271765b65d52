//! Answers that are held back. Whatever is to be done, later: it waits in the stream, and the filter's timer asks for it.

use super::stream::State;
use super::vm::Counter;
use super::{Action, Host, Stream, Vm};
use crate::latency::HELD_MAX;
use crate::table::Segment;

/// What waits in a stream.
#[derive(Debug)]
pub(super) struct Waiting {
    action: Action,
    /// Where the stream stands when it has been done.
    then: State,
    /// What it counts as then.
    counter: Counter,
}

impl Stream {
    /// Does something so many microseconds after the request began. The stream counts when it is done.
    pub(super) fn hold<S: Segment>(
        &mut self,
        action: Action,
        counter: Counter,
        micros: u64,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        // A clock that is set back must not hold answers for ever.
        let passed = if micros > 0 { host.now().saturating_sub(self.began) } else { 0 };
        let left = micros.min(HELD_MAX).saturating_sub(passed);
        if left == 0 {
            self.count(counter, vm);
            return action;
        }
        let then = std::mem::take(&mut self.state);
        self.state = State::Waiting(Box::new(Waiting { action, then, counter }));
        Action::Later(left)
    }

    /// What was to be done later: now. [`Action::Hold`] where nothing is, since the stream has ended or been answered meanwhile.
    pub fn resume<S: Segment>(&mut self, vm: &mut Vm<S>) -> Action {
        if !matches!(self.state, State::Waiting(_)) {
            return Action::Hold;
        }
        let State::Waiting(waiting) = std::mem::take(&mut self.state) else { return Action::Hold };
        let Waiting { action, then, counter } = *waiting;
        self.state = then;
        self.count(counter, vm);
        action
    }
}
