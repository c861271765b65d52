//! The states of a scenario, in the order in which they come: from the first one on, along what the stubs say comes next.

use std::collections::{HashMap, HashSet, VecDeque};

/// When a stub answers, and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The scenario: states of different ones have nothing to do with each other.
    pub(super) scenario: String,
    /// The state in which it answers; `None`: in any.
    pub(super) required: Option<String>,
    /// The state that it sets.
    pub(super) next: Option<String>,
}

/// The states of one scenario that can be reached, with their places, from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order(HashMap<String, usize>);

impl Order {
    /// Of one scenario's states. `start` is the first one, where the format says which that is; else the one that no stub leads to.
    pub(super) fn of(states: &[&State], start: Option<&str>) -> Self {
        let targets: HashSet<_> = states.iter().filter_map(|state| state.next.as_deref()).collect();
        let required = || states.iter().filter_map(|state| state.required.as_deref());
        let start =
            start.or_else(|| required().find(|state| !targets.contains(state))).or_else(|| required().next());
        let mut leads: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
        for state in states {
            leads.entry(state.required.as_deref()).or_default().extend(state.next.as_deref());
        }
        let mut order = Self::default();
        let mut queue: VecDeque<_> = start.into_iter().collect();
        while let Some(state) = queue.pop_front() {
            if order.0.contains_key(state) {
                continue;
            }
            order.0.insert(state.to_owned(), order.0.len());
            queue.extend([Some(state), None].iter().filter_map(|from| leads.get(from)).flatten());
        }
        order
    }

    /// The place of a state; `None` where it is never reached.
    pub(super) fn place(&self, state: Option<&str>) -> Option<usize> {
        state.map_or(Some(0), |state| self.0.get(state).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_in_the_order_of_what_leads_to_them() {
        let check = |states: &[(&str, &str)], start: Option<&str>, expect: &[(&str, Option<usize>)]| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let state = |(required, next): &(&str, &str)| State {
                scenario: "s".into(),
                required: some(required),
                next: some(next),
            };
            let states: Vec<_> = states.iter().map(state).collect();
            let order = Order::of(&states.iter().collect::<Vec<_>>(), start);
            for (state, place) in expect {
                assert_eq!(order.place(Some(state)), *place, "{state} in {states:?}");
            }
        };
        check(
            &[("b", "c"), ("a", "b"), ("c", "")],
            Some("a"),
            &[("a", Some(0)), ("b", Some(1)), ("c", Some(2))],
        );
        check(&[("b", "c"), ("a", "b"), ("c", "")], None, &[("a", Some(0)), ("c", Some(2))]);
        check(&[("a", "b"), ("b", "a")], None, &[("a", Some(0)), ("b", Some(1))]);
        check(&[("a", ""), ("x", "y")], Some("a"), &[("a", Some(0)), ("x", None), ("y", None)]);
        check(&[("", "b"), ("b", "")], Some("a"), &[("a", Some(0)), ("b", Some(1))]);
    }
}
