//! Finds, configures, starts and stops Envoy.
