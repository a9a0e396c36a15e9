//! Limits of a child process.

/// Address space of a child in bytes.
pub const MAX_MEMORY_BYTES: u64 = 448 << 20;

/// Stack of a child in bytes. Recursion that is deeper than this ends the child, whatever the system's default is.
pub(crate) const MAX_STACK_BYTES: u64 = 8 << 20;

/// Processor time, in seconds, that a child may spend without a result: a segment of a stream, or half a minute of a file.
/// Decoding is some 500 times faster than playback, so that an intact input never comes near it.
pub const MAX_STALL_SECONDS: u64 = 8;

/// Samples at 44.1 kHz, half a minute, after which a file gets another [`MAX_STALL_SECONDS`].
pub(crate) const SAMPLES_PER_STEP: u64 = 30 * 44_100;

/// Sets the limits of this process that stay the same. Where the system has no such limits, nothing happens.
pub(crate) fn apply() {
    #[cfg(unix)]
    {
        use rustix::process::Resource;
        lower(Resource::As, MAX_MEMORY_BYTES);
        lower(Resource::Stack, MAX_STACK_BYTES);
        // The memory image of a child that died contains other people's audio, and writing it takes seconds.
        lower(Resource::Core, 0);
    }
}

/// Gives this process [`MAX_STALL_SECONDS`] of processor time from now on.
pub(crate) fn grant_processor_time() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        use rustix::time::{ClockId, clock_gettime};
        let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default();
        let maximum = getrlimit(Resource::Cpu).maximum;
        let current = used.saturating_add(MAX_STALL_SECONDS + 1);
        let current = maximum.map_or(current, |maximum| maximum.min(current));
        // It fails only above the maximum, which is excluded.
        _ = setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum });
    }
}

#[cfg(unix)]
fn lower(resource: rustix::process::Resource, bytes: u64) {
    use rustix::process::{Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(resource).maximum;
    let current = maximum.map_or(bytes, |maximum| maximum.min(bytes));
    _ = setrlimit(resource, Rlimit { current: Some(current), maximum });
}
