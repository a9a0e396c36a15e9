//! The state of a catalog as reported by [`Catalog::health`].

use refrain_catalog::HealthLevel;

use super::*;

pub(crate) async fn a_valid_catalog_is_healthy(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let track = added(&*catalog, new_track("a", 1)).await;
    let pending = catalog.health(false).await.unwrap();
    let pending = pending.iter().find(|fact| fact.name == "near-duplicates").unwrap();
    assert_eq!((pending.health, pending.advice.is_some()), (HealthLevel::Warning, true), "{pending:?}");
    assert!(pending.value.starts_with("1 tracks"), "{pending:?}");
    catalog.finish_comparisons(&[track.number], &[]).await.unwrap();
    let quick = catalog.health(false).await.unwrap();
    let thorough = catalog.health(true).await.unwrap();
    for fact in quick.iter().chain(&thorough) {
        assert_eq!((fact.health, &fact.advice), (HealthLevel::Fine, &None), "{fact:?}");
    }
    let of = |name: &str| thorough.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str());
    assert!(of("schema version").is_some_and(|version| version.parse::<u32>().is_ok()), "{thorough:?}");
    assert!(of("may write tracks").is_some_and(|may| may.starts_with("yes")), "{thorough:?}");
    assert_eq!(of("constellations"), Some("every track has one"));
    assert!(quick.len() < thorough.len());
}
