//! Liveness and readiness of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// If the database refuses the login for this time, only a new process helps, because it reads the password again.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

/// Health of the process. All parts report to it; `/healthz` and `/readyz` read it.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    database: Trouble,
    /// Time of the first refused login since the database answered last.
    refused_since: Option<Instant>,
    index: Trouble,
    intake: Trouble,
    draining: bool,
    /// The reason why only a restart of the process helps.
    broken: Option<String>,
}

/// The reason why a component is not ready, or `None` if it is.
#[derive(Debug)]
struct Trouble(Option<String>);

impl Default for Trouble {
    fn default() -> Self {
        Self(Some("not ready yet".to_owned()))
    }
}

impl Health {
    /// Reports that the database answered.
    pub fn database_answers(&self) {
        let mut state = self.lock();
        state.database = Trouble(None);
        state.refused_since = None;
    }

    /// Reports that the database does not answer. `refused` is true if it refused the login.
    pub fn database_fails(&self, why: &str, refused: bool) {
        let mut state = self.lock();
        state.database = Trouble(Some(why.to_owned()));
        state.refused_since = match refused {
            true => state.refused_since.or_else(|| Some(Instant::now())),
            false => None,
        };
    }

    /// Reports the state of the index: `None` if it is ready, otherwise the reason why it is not.
    pub fn index(&self, trouble: Option<String>) {
        self.lock().index = Trouble(trouble);
    }

    /// Reports the state of the intake: `None` if it runs, otherwise the reason why it does not.
    pub fn intake(&self, trouble: Option<String>) {
        self.lock().intake = Trouble(trouble);
    }

    /// Reports that the shutdown has begun.
    pub fn drains(&self) {
        self.lock().draining = true;
    }

    /// Reports that only a restart of the process helps, for this reason. `None` withdraws such a report.
    pub fn broken(&self, why: Option<String>) {
        self.lock().broken = why;
    }

    /// Returns `Ok` if the process can continue.
    ///
    /// # Errors
    /// The reason why only a restart of the process helps.
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

    /// Returns the reasons why the process is not ready. The list is empty if it is ready.
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
    fn process_is_ready_when_all_parts_are() {
        let health = Health::default();
        assert_eq!(health.not_ready().len(), 3);
        health.database_answers();
        health.index(None);
        health.intake(None);
        assert_eq!(health.not_ready(), Vec::<String>::new());
        health.database_fails("no answer", true);
        assert_eq!(health.not_ready(), ["database: no answer"]);
        assert!(health.live().is_ok(), "the password may be accepted again soon");
        health.drains();
        assert!(health.not_ready()[0].starts_with("draining"));
        health.broken(Some("its threads hang".to_owned()));
        assert_eq!(health.live(), Err("its threads hang".to_owned()));
    }

    #[test]
    fn process_is_not_live_after_5_minutes_of_refused_logins() {
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
