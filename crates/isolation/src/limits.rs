//! Limits of a child process.

/// Maximum address space of a child in bytes.
pub const MAX_MEMORY_BYTES: u64 = 448 << 20;

/// Maximum stack of a child in bytes. Deeper recursion kills the child, whatever the system's default is.
pub(crate) const MAX_STACK_BYTES: u64 = 8 << 20;

/// Maximum processor time of a child in seconds without a result. A result is a segment of a stream, or half a minute of a
/// file. Decoding is about 500 times faster than playback, so that valid inputs stay far below the limit.
pub const MAX_STALL_SECONDS: u64 = 8;

/// Number of decoded samples (half a minute at 44.1 kHz) after which a file gets another [`MAX_STALL_SECONDS`].
pub(crate) const SAMPLES_PER_STEP: u64 = 30 * 44_100;

/// Sets the constant limits of this process: address space, stack and core dumps. Does nothing on systems without such limits.
pub(crate) fn apply() {
    #[cfg(unix)]
    {
        use rustix::process::Resource;
        lower(Resource::As, MAX_MEMORY_BYTES);
        lower(Resource::Stack, MAX_STACK_BYTES);
        // A core dump would contain other people's audio, and writing it takes seconds.
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
        // The call fails only for a value above the hard limit, which `current` never exceeds.
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
