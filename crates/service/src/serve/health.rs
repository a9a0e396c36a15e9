//! Liveness and readiness of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After the database has refused the login for this time, the process counts as broken and is restarted by the
/// platform: a new process reads the password again. During a rotation of the password, logins can be refused for a
/// short time until all servers have the new one. At half this value, such a rotation restarts processes; at twice this
/// value, a process with an old password is useless for 10 minutes.
pub(super) const MAX_LOGIN_REFUSED: Duration = Duration::from_secs(5 * 60);

/// Health of the process. The components of the process report their state to it; `/healthz` and `/readyz` read it.
#[derive(Debug, Default)]
pub struct ProcessHealth(Mutex<HealthState>);

#[derive(Debug, Default)]
struct HealthState {
    database: ComponentStatus,
    /// Time of the first refused login after the last check of the database that had another result; `None` if the last
    /// check did not end with a refused login.
    refused_since: Option<Instant>,
    index: ComponentStatus,
    queue_consumers: ComponentStatus,
    draining: bool,
    /// A failure that only a restart of the process can end, as text; `None` if no restart is needed.
    broken: Option<String>,
}

/// The reason why a component is not ready, or `None` if it is.
#[derive(Debug)]
struct ComponentStatus(Option<String>);

impl Default for ComponentStatus {
    fn default() -> Self {
        Self(Some("not ready yet".to_owned()))
    }
}

impl ProcessHealth {
    /// Reports that a check of the database succeeded.
    pub fn set_database_available(&self) {
        let mut state = self.lock();
        state.database = ComponentStatus(None);
        state.refused_since = None;
    }

    /// Reports that a check of the database failed, for the reason `why`. `refused` is true if the database refused the
    /// login.
    pub fn set_database_unavailable(&self, why: &str, refused: bool) {
        let mut state = self.lock();
        state.database = ComponentStatus(Some(why.to_owned()));
        state.refused_since = match refused {
            // The time of the first refusal is kept. A further refusal must not restart it.
            true => state.refused_since.or_else(|| Some(Instant::now())),
            // If the database is unreachable, its answer about the password is unknown. A restart of the process would
            // not help.
            false => None,
        };
    }

    /// Reports the state of the index: `None` if it is ready, otherwise the reason why it is not.
    pub fn index(&self, reason: Option<String>) {
        self.lock().index = ComponentStatus(reason);
    }

    /// Reports the state of the queue consumers: `None` if they run, otherwise the reason why they do not.
    pub fn queue_consumers(&self, reason: Option<String>) {
        self.lock().queue_consumers = ComponentStatus(reason);
    }

    /// Reports that the shutdown has begun.
    pub fn set_draining(&self) {
        self.lock().draining = true;
    }

    /// Reports the failure `why`, which only a restart of the process can end. `None` withdraws the report.
    pub fn set_broken(&self, why: Option<String>) {
        self.lock().broken = why;
    }

    /// Returns `Ok` if the process can continue without a restart.
    ///
    /// # Errors
    /// The failure that only a restart of the process can end.
    pub fn live(&self) -> Result<(), String> {
        let state = self.lock();
        if let Some(why) = &state.broken {
            return Err(why.clone());
        }
        match state.refused_since {
            Some(since) if since.elapsed() >= MAX_LOGIN_REFUSED => Err(format!(
                "the database has refused the login for {} minutes; correct the user or password of the catalog",
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
        for (what, reason) in [
            ("database", &state.database),
            ("index", &state.index),
            ("queue consumers", &state.queue_consumers),
        ] {
            if let ComponentStatus(Some(why)) = reason {
                reasons.push(format!("{what}: {why}"));
            }
        }
        reasons.extend(state.broken.iter().map(|why| format!("broken: {why}")));
        reasons
    }

    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_is_ready_when_all_parts_are() {
        let health = ProcessHealth::default();
        assert_eq!(health.not_ready().len(), 3);
        health.set_database_available();
        health.index(None);
        health.queue_consumers(None);
        assert_eq!(health.not_ready(), Vec::<String>::new());
        health.set_database_unavailable("no answer", true);
        assert_eq!(health.not_ready(), ["database: no answer"]);
        assert!(health.live().is_ok(), "the password may be accepted again soon");
        health.set_draining();
        assert!(health.not_ready()[0].starts_with("draining"));
        health.set_broken(Some("its threads hang".to_owned()));
        assert_eq!(health.live(), Err("its threads hang".to_owned()));
    }

    #[test]
    fn process_is_not_live_after_5_minutes_of_refused_logins() {
        let health = ProcessHealth::default();
        health.set_database_unavailable("refused", true);
        let Some(long_ago) = Instant::now().checked_sub(MAX_LOGIN_REFUSED) else { return };
        health.lock().refused_since = Some(long_ago);
        health.set_database_unavailable("refused", true);
        assert!(health.live().unwrap_err().contains("5 minutes"));
        health.set_database_unavailable("away", false);
        assert!(health.live().is_ok());
    }
}
