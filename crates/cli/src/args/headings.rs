//! Headings of the help, under which the flags of all commands are grouped, in the order in which each command lists them.

/// The inputs and how they are read.
pub(super) const INPUT: &str = "Input";

/// The rows or files on which the command works.
pub(super) const SELECTION: &str = "Selection";

/// The running service and its checks.
pub(super) const SERVICE: &str = "Service";

/// The following of a live stream and its events.
pub(super) const LIVE_STREAM: &str = "Live stream";

/// The search for matches.
pub(super) const MATCHING: &str = "Matching";

/// The results and where they are written.
pub(super) const OUTPUT: &str = "Output";

/// The number of threads.
pub(super) const PERFORMANCE: &str = "Performance";

/// The flags of all commands.
pub(super) const SETTINGS: &str = "Catalog and settings";
