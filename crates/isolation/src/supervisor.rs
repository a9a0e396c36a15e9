//! Manages the child processes of this process: starts, reuses and ends them.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::child::Child;
use crate::lock::lock;
use crate::shared_child::SharedChild;

/// Maximum number of idle children that are kept for later inputs. At half this value, a machine that decodes more than
/// 8 files at once often starts new children. At twice this value, more memory stays in use after many files were
/// decoded at once.
const MAX_IDLE: usize = 16;

/// Number of inputs after which a child is replaced. This limits the memory that a long-lived child wastes by
/// fragmentation.
const MAX_INPUTS: u32 = 256;

/// Starts children, and keeps idle ones for later inputs.
#[derive(Debug)]
pub(crate) struct Supervisor {
    program: PathBuf,
    idle: Mutex<Vec<Child>>,
    /// Children that decode streams: one slot per hardware thread, which several streams share.
    shared_children: Vec<Arc<SharedChild>>,
    next_shared: AtomicUsize,
}

static SUPERVISOR: OnceLock<Supervisor> = OnceLock::new();

/// Enables decoding in child processes. A child runs the current program with [`CHILD_ARGUMENT`](crate::CHILD_ARGUMENT)
/// as its first argument. So `main` must call [`run_child`](crate::run_child) if the first argument is
/// `CHILD_ARGUMENT`.
///
/// # Errors
/// Returns an error if the path of the current program cannot be determined.
pub fn enable() -> io::Result<()> {
    let link = PathBuf::from("/proc/self/exe");
    // The link refers to the running program even after an upgrade has replaced its file.
    let program = if link.exists() { link } else { std::env::current_exe()? };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let shared_children = (0..threads).map(|_| Arc::default()).collect();
    // A second call has no effect, because the children of the first supervisor may be in use.
    SUPERVISOR.get_or_init(|| Supervisor {
        program,
        idle: Mutex::default(),
        shared_children,
        next_shared: AtomicUsize::new(0),
    });
    Ok(())
}

/// Returns true if this process decodes in child processes, which is the case after [`enable`].
#[must_use]
pub fn is_enabled() -> bool {
    SUPERVISOR.get().is_some()
}

/// Ends the idle children and the children that decode streams, and waits until they have exited. A program calls this
/// before it exits.
pub fn shut_down() {
    if let Some(supervisor) = SUPERVISOR.get() {
        lock(&supervisor.idle).clear();
        supervisor.shared_children.iter().for_each(|shared_child| shared_child.end());
    }
}

/// Returns the supervisor, or `None` if [`enable`] was not called.
pub(crate) fn get() -> Option<&'static Supervisor> {
    SUPERVISOR.get()
}

impl Supervisor {
    /// Starts a child.
    pub(crate) fn spawn(&self) -> io::Result<Child> {
        Child::spawn(&self.program)
    }

    /// Returns an idle child, or starts one if no idle child is running.
    pub(crate) fn take(&self) -> io::Result<Child> {
        loop {
            // The child that was returned last is used first, because its memory is most likely still in the processor
            // caches. It may have been killed by the system while it was idle.
            let Some(mut child) = lock(&self.idle).pop() else { return self.spawn() };
            if child.is_alive() {
                return Ok(child);
            }
        }
    }

    /// Keeps a child that has finished an input for the next input, or ends it if it has decoded [`MAX_INPUTS`] inputs
    /// or if [`MAX_IDLE`] children are already idle.
    pub(crate) fn return_child(&self, mut child: Child) {
        child.inputs += 1;
        let mut idle = lock(&self.idle);
        if child.inputs < MAX_INPUTS && idle.len() < MAX_IDLE {
            idle.push(child);
        }
    }

    /// Returns the shared child for a new stream, or `None` if there are no shared children. Streams are distributed
    /// evenly over all shared children.
    pub(crate) fn shared_child(&self) -> Option<Arc<SharedChild>> {
        // Relaxed ordering is enough, because only the distribution depends on the counter.
        let next = self.next_shared.fetch_add(1, Ordering::Relaxed);
        self.shared_children.get(next % self.shared_children.len().max(1)).map(Arc::clone)
    }
}
