//! Pool of the child processes of this process.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::child::Child;
use crate::lock::lock;
use crate::shared_child::SharedChild;

/// Maximum number of idle children that are kept for later inputs. At half this value, a machine that decodes more than
/// 8 files at once starts children again and again; at twice this value, more memory stays in use after a burst.
const MAX_IDLE: usize = 16;

/// Number of inputs after which a child is replaced. This limits the memory that fragmentation can waste. At half this
/// value, children are started twice as often, still once for many inputs; at twice this value, a child can grow for
/// longer.
const MAX_INPUTS: u32 = 256;

/// Starts children and keeps idle ones.
#[derive(Debug)]
pub(crate) struct Supervisor {
    program: PathBuf,
    idle: Mutex<Vec<Child>>,
    /// Children that streams share: one slot per hardware thread.
    shared_children: Vec<Arc<SharedChild>>,
    next_shared: AtomicUsize,
}

static SUPERVISOR: OnceLock<Supervisor> = OnceLock::new();

/// Enables decoding in children. They run the current program with [`CHILD_ARGUMENT`](crate::CHILD_ARGUMENT), so `main`
/// must pass control to [`run_child`](crate::run_child) when its first argument is `CHILD_ARGUMENT`.
///
/// # Errors
/// Returns an error if the path of the current program cannot be determined.
pub fn enable() -> io::Result<()> {
    let link = PathBuf::from("/proc/self/exe");
    // The link leads to the running program even after an upgrade replaced its file.
    let program = if link.exists() { link } else { std::env::current_exe()? };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let shared_children = (0..threads).map(|_| Arc::default()).collect();
    // A second call keeps the first supervisor, because its children may be in use.
    SUPERVISOR.get_or_init(|| Supervisor {
        program,
        idle: Mutex::default(),
        shared_children,
        next_shared: AtomicUsize::new(0),
    });
    Ok(())
}

/// Returns true if this process decodes in children.
#[must_use]
pub fn is_enabled() -> bool {
    SUPERVISOR.get().is_some()
}

/// Ends the children that are not in use and waits for them, so that none is left when the program exits.
pub fn shut_down() {
    if let Some(supervisor) = SUPERVISOR.get() {
        lock(&supervisor.idle).clear();
        supervisor.shared_children.iter().for_each(|shared_child| shared_child.end());
    }
}

/// Returns the supervisor; `None` if this process does not decode in children.
pub(crate) fn get() -> Option<&'static Supervisor> {
    SUPERVISOR.get()
}

impl Supervisor {
    /// Starts a child.
    pub(crate) fn spawn(&self) -> io::Result<Child> {
        Child::spawn(&self.program)
    }

    /// Returns an idle child, or starts one if all are in use.
    pub(crate) fn take(&self) -> io::Result<Child> {
        loop {
            // The child that was returned last is taken first, because its memory is most likely still in the caches.
            // An idle child can have been killed from outside.
            let Some(mut child) = lock(&self.idle).pop() else { return self.spawn() };
            if child.is_alive() {
                return Ok(child);
            }
        }
    }

    /// Takes a child back that has decoded an input.
    pub(crate) fn return_child(&self, mut child: Child) {
        child.inputs += 1;
        let mut idle = lock(&self.idle);
        if child.inputs < MAX_INPUTS && idle.len() < MAX_IDLE {
            idle.push(child);
        }
    }

    /// Returns the slot for the next stream. Streams are distributed to the slots in rotation.
    pub(crate) fn shared_child(&self) -> Option<Arc<SharedChild>> {
        // Only the distribution depends on the counter, no other memory, so relaxed ordering is enough.
        let next = self.next_shared.fetch_add(1, Ordering::Relaxed);
        self.shared_children.get(next % self.shared_children.len().max(1)).map(Arc::clone)
    }
}
