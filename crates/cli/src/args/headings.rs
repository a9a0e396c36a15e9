//! Headings of the help. Each heading groups flags, and the help of each command lists its headings in the order of
//! this file.

/// Heading of the flags about the inputs and how they are read.
pub(super) const INPUT: &str = "Input";

/// Heading of the flags that select the rows or files on which the command works.
pub(super) const SELECTION: &str = "Selection";

/// Heading of the flags about the running service and its checks.
pub(super) const SERVICE: &str = "Service";

/// Heading of the flags about following a live stream and about its events.
pub(super) const LIVE_STREAM: &str = "Live stream";

/// Heading of the flags about the search for matches.
pub(super) const MATCHING: &str = "Matching";

/// Heading of the flags about the results and where they are written.
pub(super) const OUTPUT: &str = "Output";

/// Heading of the flag for the number of threads.
pub(super) const PERFORMANCE: &str = "Performance";

/// Heading of the flags that all commands have.
pub(super) const SETTINGS: &str = "Catalog and settings";
