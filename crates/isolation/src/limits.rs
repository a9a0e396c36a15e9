//! Resource limits of a child process.

/// Maximum address space of a child in bytes. It must be enough for the fingerprint of a long query, whose relief takes
/// up to 70 MB, or for the decoders of all streams of a shared child. At half this value, long queries could fail. At
/// twice this value, crafted inputs in several children at once can exhaust the memory of a small machine. Must be
/// below the maximum length of a message (512 MiB).
pub const MAX_MEMORY_BYTES: u64 = 448 << 20;

/// Maximum stack of a child in bytes. A deeper recursion, caused by crafted input, ends the child. The value is the
/// usual default of Linux, but also applies if the default of the system is larger.
pub(crate) const MAX_STACK_BYTES: u64 = 8 << 20;

/// Maximum processor time of a child in seconds without a result. A result is a segment of a stream, or half a minute
/// of a file. Decoding is about 500 times faster than playback, so valid inputs stay far below the limit. At half this
/// value, slow machines could reject valid inputs. At twice this value, a crafted segment can delay all streams of a
/// shared child by 16 seconds.
pub const MAX_STALL_SECONDS: u64 = 8;

/// Number of decoded samples (half a minute at 44.1 kHz) after which the decoder of a file gets another
/// [`MAX_STALL_SECONDS`] of processor time. Decoding this number of samples takes about 60 ms. At half this value, the
/// limit is set twice as often, with two system calls each time. At twice this value, a slow input has half the
/// processor time per sample.
pub(crate) const SAMPLES_PER_CPU_GRANT: u64 = 30 * 44_100;

/// Sets the constant limits of this process: address space, stack and core dumps. Only Unix systems have such limits;
/// this function has no effect on others.
pub(crate) fn apply() {
    #[cfg(unix)]
    {
        use rustix::process::Resource;
        set_limit(Resource::As, MAX_MEMORY_BYTES);
        set_limit(Resource::Stack, MAX_STACK_BYTES);
        // A core dump would contain audio of users, and writing it takes seconds.
        set_limit(Resource::Core, 0);
    }
}

/// Extends the limit of processor time: from now on, this process may use another [`MAX_STALL_SECONDS`] before the
/// system ends it. Has an effect only on Unix systems.
pub(crate) fn extend_cpu_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        use rustix::time::{ClockId, clock_gettime};
        let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default();
        let maximum = getrlimit(Resource::Cpu).maximum;
        // The system counts processor time from the start of the process, not from this call. One second is added,
        // because the used time is rounded down.
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
