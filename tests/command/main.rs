//! The command as people run it: arguments, exit statuses, signals, errors, and the sample service.
