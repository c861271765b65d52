//! Snapshot folders, the table writer, the linter and the bundler.
