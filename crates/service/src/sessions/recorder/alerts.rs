//! Alerts about the audio of a session: their messages, and the open alerts that the next worker continues.

use refrain_catalog::NewOutboxMessage;
use refrain_monitor::{AlertKind, HealthAlert, ReportedAlerts};

use super::Recorder;
use crate::delivery::DetectionEvent;

/// Alerts of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionAlerts {
    reported: ReportedAlerts,
    /// True if alerts are delivered. They are stored in any case.
    are_delivered: bool,
}

/// Parses the reported alerts in the row of a stream. Text of an unknown format counts as no alerts: an alert that is open
/// then starts again.
pub(crate) fn read_alerts(stored: Option<&str>) -> ReportedAlerts {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl SessionAlerts {
    /// Applies alerts. Returns the reported alerts as text for the row of the stream; `None` if there are no new alerts.
    pub(super) fn apply(&mut self, alerts: &[HealthAlert]) -> Option<String> {
        alerts.iter().for_each(|alert| self.reported.apply(alert));
        // Alerts consist of strings and finite numbers, so they can always be serialized.
        (!alerts.is_empty()).then(|| serde_json::to_string(&self.reported).unwrap_or_default())
    }
}

impl Recorder {
    /// Returns the recorder with the alerts that earlier workers reported. `are_delivered` is true if alerts are
    /// delivered to the sinks.
    pub(crate) fn with_alerts(mut self, reported: ReportedAlerts, are_delivered: bool) -> Self {
        self.state.alerts = SessionAlerts { reported, are_delivered };
        self
    }

    /// Returns the messages that report alerts.
    pub(super) fn messages_of_alerts(
        &self,
        alerts: &[HealthAlert],
        state: &SessionAlerts,
    ) -> Vec<NewOutboxMessage> {
        let delivered = alerts.iter().filter(|_| state.are_delivered);
        let messages = |alert: &HealthAlert| {
            let json = alert.to_json(self.name());
            let event = self.session_event(alert.event(), &json);
            self.context.planner.deliveries(&DetectionEvent { number: number(alert), ..event })
        };
        delivered.flat_map(messages).collect()
    }
}

/// Returns a number that distinguishes the alerts of a session: the start of the fault in milliseconds, and the kind,
/// because two kinds can start at the same time.
fn number(alert: &HealthAlert) -> u64 {
    let since = (alert.since * 1_000.0).max(0.0).round() as u64;
    since * AlertKind::ALL.len() as u64 + alert.kind as u64
}

#[cfg(test)]
mod tests {
    use refrain_monitor::AlertReading;

    use super::*;
    use crate::sessions::SessionBatch;
    use crate::sessions::SessionKind;
    use crate::sessions::recorder::tests::RecorderTest;

    fn alert(kind: AlertKind, is_start: bool) -> HealthAlert {
        let reading = AlertReading { value: -91.0, threshold: -60.0, reason: "no audio".to_owned() };
        HealthAlert { kind, is_start, since: 1_700_000_000.0, at: 1_700_000_010.0, reading }
    }

    fn batch(alerts: &[HealthAlert]) -> SessionBatch {
        SessionBatch { alerts: alerts.to_vec(), ..SessionBatch::default() }
    }

    /// Returns the event of each message in the outbox, and checks that only the sink of responses has messages.
    async fn events(test: &RecorderTest) -> Vec<(String, String)> {
        let all = test.messages().await.into_iter().map(|(sink, _, payload)| {
            assert_eq!(sink, "all", "alerts are not songs");
            let envelope: serde_json::Value = serde_json::from_str(&payload).unwrap();
            let body: serde_json::Value = serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap();
            assert_eq!((&envelope["event"], &body["stream"]), (&body["event"], &"s".into()));
            (body["event"].as_str().unwrap().to_owned(), body["kind"].as_str().unwrap().to_owned())
        });
        all.collect()
    }

    fn pair(event: &str, kind: &str) -> (String, String) {
        (event.to_owned(), kind.to_owned())
    }

    #[tokio::test]
    async fn alerts_are_delivered_once_and_continued_by_the_next_worker() {
        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(SessionKind::Live).with_alerts(ReportedAlerts::default(), true);
        // Two alerts that start at the same time, in a batch that is passed again.
        let both = batch(&[alert(AlertKind::Silence, true), alert(AlertKind::FormatChange, true)]);
        assert!(recorder.record(&both).await.unwrap());
        assert!(recorder.record(&both).await.unwrap());
        let mut expected = vec![pair("alert.start", "silence"), pair("alert.start", "format_change")];
        assert_eq!(events(&test).await, expected);
        let reported = read_alerts(test.row().await.alerts.as_deref());
        assert_eq!(
            reported.open.iter().map(|alert| alert.kind).collect::<Vec<_>>(),
            [AlertKind::Silence, AlertKind::FormatChange]
        );

        let mut next = test.recorder(SessionKind::Live).with_alerts(reported, true);
        assert!(next.record(&batch(&[alert(AlertKind::Silence, false)])).await.unwrap());
        expected.push(pair("alert.end", "silence"));
        assert_eq!(events(&test).await, expected);
        let reported = read_alerts(test.row().await.alerts.as_deref());
        assert_eq!(
            reported.open.iter().map(|alert| alert.kind).collect::<Vec<_>>(),
            [AlertKind::FormatChange]
        );
    }

    #[tokio::test]
    async fn worker_without_the_lease_reports_no_alerts() {
        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(SessionKind::Live).with_alerts(ReportedAlerts::default(), true);
        test.claim_by_another().await;
        assert!(!recorder.record(&batch(&[alert(AlertKind::Silence, true)])).await.unwrap());
        assert_eq!((events(&test).await, test.row().await.alerts), (Vec::new(), None));
    }

    #[tokio::test]
    async fn alerts_that_are_not_delivered_are_stored() {
        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(SessionKind::Live);
        assert!(recorder.record(&batch(&[alert(AlertKind::Silence, true)])).await.unwrap());
        assert!(events(&test).await.is_empty());
        assert_eq!(read_alerts(test.row().await.alerts.as_deref()).open.len(), 1);
    }

    #[test]
    fn unknown_text_counts_as_no_alerts() {
        assert_eq!(read_alerts(Some("[1]")), ReportedAlerts::default());
        assert_eq!(read_alerts(None), ReportedAlerts::default());
    }
}
