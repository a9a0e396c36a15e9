//! Tests of files in buckets that are processed by a command.

use refrain_catalog::Rule;
use refrain_service::files::{Checked, Indexed, Target};

use super::{BucketTest, wav};
use crate::songs::library;

#[tokio::test(flavor = "multi_thread")]
async fn all_files_under_a_prefix_are_processed_each_time() {
    let fixture = BucketTest::new().await;
    let sound = wav(&library().samples);
    for name in ["1.wav", "2.mp3", "a/3.wav", "notes.txt", "4.wav"] {
        let body = if name.ends_with("mp3") { b"no sound at all".to_vec() } else { sound.clone() };
        fixture.bucket.put(&format!("any/{name}"), body);
    }
    let target = Target::parse("s3://b/any/").unwrap();
    let objects = fixture.files.objects(&target).await.unwrap();
    let keys: Vec<_> = objects.iter().map(|(object, _)| object.key.as_str()).collect();
    assert_eq!(keys, ["any/1.wav", "any/2.mp3", "any/4.wav", "any/a/3.wav"]);
    for _ in 0..2 {
        let (mut found, mut failed) = (0, 0);
        fixture
            .files
            .check_all(objects.clone(), |done| match done.result.unwrap() {
                Checked::Reported { found: 2, failed: None, .. } => found += 1,
                Checked::Reported { failed: Some(_), .. } => failed += 1,
                other => panic!("{other:?}"),
            })
            .await;
        assert_eq!((found, failed), (3, 1));
    }
    assert_eq!(fixture.bucket.writes("any/1.json"), 2);
    let rule: Rule = "allow".parse().unwrap();
    let one = fixture.files.objects(&Target::parse("s3://b/any/1.wav").unwrap()).await.unwrap();
    let mut tracks = Vec::new();
    fixture.files.index_all(one, Some(&rule), |done| tracks.push(done.result.unwrap())).await;
    assert!(matches!(&tracks[..], [Indexed::Added { track, .. }] if track.rule.as_ref() == Some(&rule)));
    let nothing = fixture.files.objects(&Target::parse("s3://b/none").unwrap()).await.unwrap_err();
    assert!(nothing.to_string().contains("s3://b/none"), "{nothing}");
}
