//! Which workloads a resource is for.

use crate::error::Error;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Istio's root namespace, where nothing else was installed: what is there counts for the whole mesh.
pub const ROOT_NAMESPACE: &str = "istio-system";
/// A label's value has so many characters at most (Kubernetes, "Labels and Selectors"), and so has a name here.
const NAME_MAX: usize = 63;

/// Which workloads a resource is for: those in a namespace that have these labels, all of them where there are none. In Istio's root
/// namespace: the workloads of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    namespace: String,
    labels: BTreeMap<String, String>,
    called: Option<String>,
}

impl Scope {
    /// All workloads of a namespace.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn namespace(namespace: &str) -> Result<Self, Error> {
        if !is_name(namespace) {
            return Err(Error::Name(namespace.to_owned()));
        }
        Ok(Self { namespace: namespace.to_owned(), labels: BTreeMap::new(), called: None })
    }

    /// Only those of them that have the label `KEY=VALUE`.
    ///
    /// # Errors
    /// [`Error::Label`].
    pub fn with_label(mut self, label: &str) -> Result<Self, Error> {
        let refuse = || Error::Label(label.to_owned());
        let (key, value) = label.split_once('=').ok_or_else(refuse)?;
        let (prefix, name) = key.rsplit_once('/').unwrap_or(("a", key));
        let good = is_label(name) && is_label(value) && prefix.split('.').all(is_name);
        if !good {
            return Err(refuse());
        }
        self.labels.insert(key.to_owned(), value.to_owned());
        Ok(self)
    }

    /// Calls the resources so, in the place of the labels' values: who makes many for one workload has them apart.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn called(mut self, name: &str) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::Name(name.to_owned()));
        }
        self.called = Some(name.to_owned());
        Ok(self)
    }

    /// Whether it is for all workloads of its namespace.
    pub fn is_wide(&self) -> bool {
        self.labels.is_empty()
    }

    /// What a resource for this scope is called: the start, and the values of the labels or what it is to be called.
    pub(crate) fn name(&self, start: &str) -> String {
        if let Some(called) = &self.called {
            return short(&format!("{start}-{called}"));
        }
        let values = self.labels.values().map(|value| value.to_ascii_lowercase().replace(['_', '.'], "-"));
        let name = [start.to_owned()].into_iter().chain(values).collect::<Vec<_>>().join("-");
        short(&name)
    }

    /// What is of this resource alone in a sidecar: several resources can be for one workload, and nothing of Envoy's may be there twice.
    pub(crate) fn unique(&self, start: &str) -> String {
        format!("{}.{}", self.name(start), self.namespace)
    }

    /// What tells this scope from another one of its namespace, as a label's value.
    pub(crate) fn identity(&self) -> String {
        if self.labels.is_empty() { "all".to_owned() } else { self.name("for") }
    }

    /// Those of them that have this label too. The names of resources stay those of the scope.
    pub(crate) fn and(&self, key: &str, value: &str) -> Self {
        let mut scope = self.clone();
        scope.labels.insert(key.to_owned(), value.to_owned());
        scope
    }

    /// The resource's `metadata`.
    pub(crate) fn metadata(&self, name: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.namespace,
            "labels": { "app.kubernetes.io/managed-by": "understudy" },
        })
    }

    /// The labels as a selector with this key in it; `None` where all workloads are meant.
    pub(crate) fn selector(&self, key: &str) -> Option<Value> {
        if self.labels.is_empty() {
            return None;
        }
        let labels: Map<_, _> =
            self.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        Some(json!({ key: labels }))
    }
}

fn short(name: &str) -> String {
    name.chars().take(NAME_MAX).collect::<String>().trim_end_matches('-').to_owned()
}

/// A name as RFC 1123 has it.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    bounded(text, |byte| byte != b'-') && text.bytes().all(inner)
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    bounded(text, |byte| byte.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

fn bounded(text: &str, edge: impl Fn(u8) -> bool) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= NAME_MAX && ends.into_iter().all(|byte| byte.is_some_and(&edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names() {
        let scope = || Scope::namespace("payments").unwrap();
        for good in ["app=payment", "app.kubernetes.io/name=payment", "version=v1.2_3", "a=B"] {
            assert!(scope().with_label(good).is_ok(), "{good}");
        }
        for bad in ["", "app", "app=", "=payment", "app=a b", "app=-a", "A B=c", "X/y=z", "/a=b", "a/b/c=d"] {
            assert_eq!(scope().with_label(bad), Err(Error::Label(bad.to_owned())));
        }
        for bad in ["", "Payments", "-a", "a_b", &"a".repeat(64)] {
            assert_eq!(Scope::namespace(bad), Err(Error::Name(bad.to_owned())));
        }
    }

    #[test]
    fn a_name_says_what_it_is_for() {
        let scope = Scope::namespace("payments").unwrap();
        assert_eq!(scope.name("understudy-tap"), "understudy-tap");
        let one = scope.with_label("app=payment").unwrap();
        assert_eq!(one.name("understudy-tap"), "understudy-tap-payment");
        let two = one.with_label("version=V1.2").unwrap();
        assert_eq!(two.name("understudy-tap"), "understudy-tap-payment-v1-2");
        let long = two.with_label(&format!("z={}", "x".repeat(63))).unwrap();
        assert_eq!(long.name("understudy-tap").len(), NAME_MAX);
        let called = long.called("friday").unwrap();
        assert_eq!(called.name("understudy-tap"), "understudy-tap-friday");
        assert!(called.selector("labels").is_some() && called.called("Friday").is_err());
    }
}
