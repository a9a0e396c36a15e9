//! Threads that decode and match files, so that no thread of tokio does.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Some threads. They end when this is dropped, each after what it is at.
pub(super) struct Pool {
    jobs: Mutex<Sender<Job>>,
}

/// The work panicked.
#[derive(Debug)]
pub(super) struct Broken;

impl Pool {
    /// So many threads, at least one.
    ///
    /// # Errors
    /// If the system refuses them.
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new().name(format!("file-{number}")).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs: Mutex::new(jobs) })
    }

    /// Has something done, as soon as a thread is free.
    ///
    /// # Errors
    /// [`Broken`] if it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Broken> {
        let (tell, done) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more where the other side was dropped. After a panic nothing is sent.
            let _ = tell.send(work());
        });
        // Threads live as long as this.
        let _ = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job);
        done.await.map_err(|_| Broken)
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // What it held is dropped with it, and nothing of it is shared.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_stops_no_other() {
        let pool = Pool::start(1).unwrap();
        assert!(pool.run(|| panic!("a test's")).await.is_err());
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
