//! The children of this process.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::child::Child;
use crate::session::Slot;

/// Children without an input that are kept. More are needed only while more inputs are decoded at the same time.
const MAX_IDLE: usize = 16;

/// Inputs after which a child is replaced, so that the fragments of its memory do not add up.
const MAX_INPUTS: u32 = 256;

/// Starts children, and keeps those that are not in use.
#[derive(Debug)]
pub(crate) struct Supervisor {
    program: PathBuf,
    idle: Mutex<Vec<Child>>,
    /// Children that streams share.
    slots: Vec<Arc<Slot>>,
    next_slot: AtomicUsize,
}

static SUPERVISOR: OnceLock<Supervisor> = OnceLock::new();

/// Decodes in children from now on. They run the current program with [`CHILD_ARGUMENT`](crate::CHILD_ARGUMENT), so `main`
/// must pass control to [`run_child`](crate::run_child) when it sees that argument.
///
/// # Errors
/// The system does not know the path of the current program.
pub fn enable() -> io::Result<()> {
    let link = PathBuf::from("/proc/self/exe");
    // The link leads to the running program even after an upgrade replaced its file.
    let program = if link.exists() { link } else { std::env::current_exe()? };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let slots = (0..threads).map(|_| Arc::default()).collect();
    SUPERVISOR.get_or_init(|| Supervisor {
        program,
        idle: Mutex::default(),
        slots,
        next_slot: AtomicUsize::new(0),
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
        supervisor.slots.iter().for_each(|slot| slot.end());
    }
}

/// The children of this process; `None` if it decodes by itself.
pub(crate) fn get() -> Option<&'static Supervisor> {
    SUPERVISOR.get()
}

impl Supervisor {
    /// Starts a child.
    pub(crate) fn spawn(&self) -> io::Result<Child> {
        Child::spawn(&self.program)
    }

    /// A child without an input.
    pub(crate) fn take(&self) -> io::Result<Child> {
        loop {
            let Some(mut child) = lock(&self.idle).pop() else { return self.spawn() };
            if child.is_alive() {
                return Ok(child);
            }
        }
    }

    /// Takes a child back that has decoded an input.
    pub(crate) fn give_back(&self, mut child: Child) {
        child.inputs += 1;
        let mut idle = lock(&self.idle);
        if child.inputs < MAX_INPUTS && idle.len() < MAX_IDLE {
            idle.push(child);
        }
    }

    /// The child of the next stream.
    pub(crate) fn slot(&self) -> Option<Arc<Slot>> {
        let next = self.next_slot.fetch_add(1, Ordering::Relaxed);
        self.slots.get(next % self.slots.len().max(1)).map(Arc::clone)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
