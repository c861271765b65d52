//! The workloads that a resource is for.

use crate::error::Error;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Istio's default root namespace. Resources there apply to the whole mesh.
pub const ROOT_NAMESPACE: &str = "istio-system";
/// Maximum length of a label's value (Kubernetes, "Labels and Selectors"), used for names too.
const NAME_MAX: usize = 63;

/// The workloads that a resource is for: those of a namespace with these labels, or all of them
/// without labels. In Istio's root namespace: the workloads of the mesh.
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

    /// Restricts the scope to workloads with the label `KEY=VALUE`.
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

    /// Names the resources after `name` instead of the labels' values, so that several resources
    /// for one workload have different names.
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

    /// Returns whether the scope is all workloads of its namespace.
    pub fn is_wide(&self) -> bool {
        self.labels.is_empty()
    }

    /// Name of a resource for this scope: the prefix, and the name of the scope or its labels'
    /// values.
    pub(crate) fn name(&self, prefix: &str) -> String {
        if let Some(called) = &self.called {
            return short(&format!("{prefix}-{called}"));
        }
        let values = self.labels.values().map(|value| value.to_ascii_lowercase().replace(['_', '.'], "-"));
        let name = [prefix.to_owned()].into_iter().chain(values).collect::<Vec<_>>().join("-");
        short(&name)
    }

    /// Name in a sidecar's configuration. Several resources can be for one workload, and Envoy's
    /// names must be unique.
    pub(crate) fn unique(&self, prefix: &str) -> String {
        format!("{}.{}", self.name(prefix), self.namespace)
    }

    /// A label's value that differs from that of any other scope of the namespace.
    pub(crate) fn identity(&self) -> String {
        if self.labels.is_empty() { "all".to_owned() } else { self.name("for") }
    }

    /// The workloads of this scope that also have this label. The names of resources stay the same.
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

    /// The labels as a selector under this key; `None` for all workloads.
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

/// Returns whether a text is a label by RFC 1123.
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
    fn labels_and_names_follow_kubernetes_rules() {
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
    fn name_ends_with_the_scope() {
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
