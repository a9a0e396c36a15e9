//! How the process is: may it go on, and is it ready.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A password that is refused for so long is not right again by itself: a new process gets the new one.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

/// What is known of the process. All parts tell, `/healthz` and `/readyz` ask.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    database: Trouble,
    /// Since when the database refuses the password.
    refused_since: Option<Instant>,
    index: Trouble,
    intake: Trouble,
    draining: bool,
    /// Why only a new process helps.
    broken: Option<String>,
}

/// Why something is not as it should be; empty if it is.
#[derive(Debug)]
struct Trouble(Option<String>);

impl Default for Trouble {
    fn default() -> Self {
        Self(Some("not there yet".to_owned()))
    }
}

impl Health {
    /// The database answered.
    pub fn database_answers(&self) {
        let mut state = self.lock();
        state.database = Trouble(None);
        state.refused_since = None;
    }

    /// The database does not answer; `refused`: because of the password.
    pub fn database_fails(&self, why: &str, refused: bool) {
        let mut state = self.lock();
        state.database = Trouble(Some(why.to_owned()));
        state.refused_since = match refused {
            true => state.refused_since.or_else(|| Some(Instant::now())),
            false => None,
        };
    }

    /// The index is there, or why it is not.
    pub fn index(&self, trouble: Option<String>) {
        self.lock().index = Trouble(trouble);
    }

    /// The intake runs, or why it does not.
    pub fn intake(&self, trouble: Option<String>) {
        self.lock().intake = Trouble(trouble);
    }

    /// The end has begun.
    pub fn drains(&self) {
        self.lock().draining = true;
    }

    /// Only a new process helps; `None`: it was wrong to think so.
    pub fn broken(&self, why: Option<String>) {
        self.lock().broken = why;
    }

    /// Whether the process may go on.
    ///
    /// # Errors
    /// Why only a new one helps.
    pub fn live(&self) -> Result<(), String> {
        let state = self.lock();
        if let Some(why) = &state.broken {
            return Err(why.clone());
        }
        match state.refused_since {
            Some(since) if since.elapsed() >= REFUSED_FOR => Err(format!(
                "the database has refused the login for {} minutes",
                since.elapsed().as_secs() / 60
            )),
            _ => Ok(()),
        }
    }

    /// Why it is not ready; nothing if it is.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let state = self.lock();
        let mut reasons = Vec::new();
        if state.draining {
            reasons.push("draining: the process is ending".to_owned());
        }
        for (what, trouble) in
            [("database", &state.database), ("index", &state.index), ("intake", &state.intake)]
        {
            if let Trouble(Some(why)) = trouble {
                reasons.push(format!("{what}: {why}"));
            }
        }
        reasons.extend(state.broken.iter().map(|why| format!("broken: {why}")));
        reasons
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_all_parts_are() {
        let health = Health::default();
        assert_eq!(health.not_ready().len(), 3);
        health.database_answers();
        health.index(None);
        health.intake(None);
        assert_eq!(health.not_ready(), Vec::<String>::new());
        health.database_fails("no answer", true);
        assert_eq!(health.not_ready(), ["database: no answer"]);
        assert!(health.live().is_ok(), "a password may be right again soon");
        health.drains();
        assert!(health.not_ready()[0].starts_with("draining"));
        health.broken(Some("its threads hang".to_owned()));
        assert_eq!(health.live(), Err("its threads hang".to_owned()));
    }

    #[test]
    fn a_password_that_stays_refused_wants_a_new_process() {
        let health = Health::default();
        health.database_fails("refused", true);
        let Some(long_ago) = Instant::now().checked_sub(REFUSED_FOR) else { return };
        health.lock().refused_since = Some(long_ago);
        health.database_fails("refused", true);
        assert!(health.live().unwrap_err().contains("5 minutes"));
        health.database_fails("away", false);
        assert!(health.live().is_ok());
    }
}
