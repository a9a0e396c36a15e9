//! Limits of a child process.

/// Maximum address space of a child in bytes. It must hold the fingerprint of a long query (its relief takes up to 70
/// MB) or the decoders of all streams of a shared child. At half this value, long queries in a fragmented child could
/// fail; at twice this value, crafted inputs in several children at once can exhaust the memory of a small machine.
/// Must be below the maximum length of a message.
pub const MAX_MEMORY_BYTES: u64 = 448 << 20;

/// Maximum stack of a child in bytes. Deeper recursion kills the child, whatever the system's default is. This is the
/// usual default of Linux. At half this value, legal nesting has less margin; at twice this value, crafted nesting runs
/// longer before it kills the child.
pub(crate) const MAX_STACK_BYTES: u64 = 8 << 20;

/// Maximum processor time of a child in seconds without a result. A result is a segment of a stream, or half a minute
/// of a file. Decoding is about 500 times faster than playback, so that valid inputs stay far below the limit. At half
/// this value, slow processors come closer to rejecting valid inputs; at twice this value, a crafted input occupies a
/// hardware thread, and delays the streams of a shared child, for 16 seconds.
pub const MAX_STALL_SECONDS: u64 = 8;

/// Number of decoded samples (half a minute at 44.1 kHz) after which a file gets another [`MAX_STALL_SECONDS`]. At 500
/// times the speed of playback, decoding them takes 60 ms. At half this value, the limit is set twice as often, with
/// two system calls each time; at twice this value, a slow input has half the processor time per sample.
pub(crate) const SAMPLES_PER_CPU_GRANT: u64 = 30 * 44_100;

/// Sets the constant limits of this process: address space, stack and core dumps. Does nothing on systems without such
/// limits.
pub(crate) fn apply() {
    #[cfg(unix)]
    {
        use rustix::process::Resource;
        set_limit(Resource::As, MAX_MEMORY_BYTES);
        set_limit(Resource::Stack, MAX_STACK_BYTES);
        // A core dump would contain other people's audio, and writing it takes seconds.
        set_limit(Resource::Core, 0);
    }
}

/// Gives this process [`MAX_STALL_SECONDS`] of processor time from now on.
pub(crate) fn extend_cpu_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        use rustix::time::{ClockId, clock_gettime};
        let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default();
        let maximum = getrlimit(Resource::Cpu).maximum;
        // The limit counts all time since the start of the process, not since this call. One second more, because the
        // used time is rounded down.
        let current = used.saturating_add(MAX_STALL_SECONDS + 1);
        let current = maximum.map_or(current, |maximum| maximum.min(current));
        // The call fails only for a value above the hard limit, which `current` never exceeds.
        _ = setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum });
    }
}

#[cfg(unix)]
fn set_limit(resource: rustix::process::Resource, bytes: u64) {
    use rustix::process::{Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(resource).maximum;
    let current = maximum.map_or(bytes, |maximum| maximum.min(bytes));
    // Lowering a soft limit needs no privilege. If a system still refuses it, the other limits remain.
    _ = setrlimit(resource, Rlimit { current: Some(current), maximum });
}
