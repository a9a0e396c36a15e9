//! Headings of the help. Each heading groups flags, and the help of each command lists its headings in the order of
//! this file.

/// Flags about the inputs and how they are read.
pub(super) const INPUT: &str = "Input";

/// Flags that select the rows or files on which the command works.
pub(super) const SELECTION: &str = "Selection";

/// Flags about the running service and its checks.
pub(super) const SERVICE: &str = "Service";

/// Flags about following a live stream and about its events.
pub(super) const LIVE_STREAM: &str = "Live stream";

/// Flags about the search for matches.
pub(super) const MATCHING: &str = "Matching";

/// Flags about the results and where they are written.
pub(super) const OUTPUT: &str = "Output";

/// The flag for the number of threads.
pub(super) const PERFORMANCE: &str = "Performance";

/// Flags that all commands have.
pub(super) const SETTINGS: &str = "Catalog and settings";
