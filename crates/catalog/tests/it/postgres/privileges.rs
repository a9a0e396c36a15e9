//! Privileges and facts that a server reports to a user.

use refrain_catalog::{Catalog, Fact, HealthLevel};

use super::Database;
use crate::contract::{TestStorage, added, new_track};

async fn fact(catalog: &dyn Catalog, name: &str) -> Fact {
    let facts = catalog.health(true).await.unwrap();
    facts.iter().find(|fact| fact.name == name).unwrap_or_else(|| panic!("{name}: {facts:?}")).clone()
}

#[tokio::test]
async fn missing_privileges_are_reported_as_grants() {
    let database = Database::new();
    added(&*database.open().await, new_track("a", 1)).await;
    let role = database.role().await;
    let select = format!(
        "GRANT USAGE ON SCHEMA refrain TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA refrain TO {role}"
    );
    database.run(select).await;
    let catalog = refrain_catalog::open(&database.url_as(&role)).await.unwrap();
    assert_eq!(fact(&*catalog, "may read").await, fine("may read", &role));
    let write = fact(&*catalog, "may write tracks").await;
    assert_eq!((write.health, write.value), (HealthLevel::Warning, format!("no, as {role}")));
    let advice = write.advice.unwrap();
    assert!(
        advice.contains(&format!("GRANT USAGE ON SEQUENCE refrain.tracks_number_seq TO {role}")),
        "{advice}"
    );
    database.run(advice.strip_prefix("unless this is intended: ").unwrap()).await;
    assert_eq!(fact(&*catalog, "may write tracks").await, fine("may write tracks", &role));
    added(&*catalog, new_track("b", 2)).await;

    database.run(format!("REVOKE UPDATE ON refrain.newest FROM {role}")).await;
    let write = fact(&*catalog, "may write tracks").await;
    let grant = format!("unless this is intended: GRANT UPDATE ON TABLE refrain.newest TO {role}");
    assert_eq!(write.advice, Some(grant), "only the missing grant");
}

#[tokio::test]
async fn missing_privileges_on_the_journal_are_reported() {
    let database = Database::new();
    database.open().await;
    let role = database.role().await;
    let all = format!(
        "GRANT USAGE ON SCHEMA refrain TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA refrain TO {role}"
    );
    database.run(all).await;
    let catalog = refrain_catalog::open(&database.url_as(&role)).await.unwrap();
    assert_eq!(fact(&*catalog, "may write detections").await, fine("may write detections", &role));
    let some = format!(
        "REVOKE SELECT, UPDATE ON refrain.turns FROM {role}; REVOKE SELECT ON refrain.outbox FROM {role}"
    );
    database.run(some).await;
    let write = fact(&*catalog, "may write detections").await;
    let grants = format!(
        "unless this is intended: GRANT SELECT ON TABLE refrain.outbox TO {role}; \
         GRANT SELECT, UPDATE ON TABLE refrain.turns TO {role}"
    );
    assert_eq!((write.health, write.advice), (HealthLevel::Warning, Some(grants)));
}

fn fine(name: &'static str, role: &str) -> Fact {
    Fact { name, value: format!("yes, as {role}"), health: HealthLevel::Fine, advice: None }
}

#[tokio::test]
async fn a_track_that_lost_its_constellation_is_counted() {
    let database = Database::new();
    let catalog = database.open().await;
    added(&*catalog, new_track("a", 1)).await;
    database.run("DELETE FROM refrain.constellations").await;
    let lost = fact(&*catalog, "constellations").await;
    assert_eq!((lost.health, lost.value.as_str()), (HealthLevel::Failing, "1 tracks have none"));
}

#[tokio::test]
async fn notifications_are_checked() {
    let database = Database::new();
    let catalog = database.open().await;
    let arrive = fact(&*catalog, "notifications").await;
    assert_eq!((arrive.health, arrive.value.as_str()), (HealthLevel::Fine, "arrive"));
}
