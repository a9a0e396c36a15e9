//! Tests of the SDK's own environment variables. They apply to a whole process, so each case runs in a child process:
//! the test program itself, restricted to the test [`child`].

use std::process::Command;

use refrain_aws::{Aws, AwsSettings};
use refrain_service::cloud::{
    Channels, CloudError, CloudErrorKind, ObjectFacts, ObjectName, Objects, Queue, Topics,
};
use refrain_testkit::origin::Origin;

use crate::setup::UNREACHABLE;

const CASE: &str = "REFRAIN_TEST_CASE";
const STORE: &str = "REFRAIN_TEST_STORE";

const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// Runs [`child`] in a process whose only environment variables of AWS are `variables`.
fn run(case: &str, store: &str, variables: &[(&str, &str)]) {
    let home_folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "environment::child", "--ignored", "--nocapture"]);
    child.env_clear().env("HOME", home_folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    child.env(CASE, case).env(STORE, store).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let output_text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && output_text.contains("1 passed"), "{case}: {output_text}");
}

/// Gets the facts of an object. The server finds it only if the bucket name is in the path of the request.
async fn object_facts(settings: &AwsSettings) -> Result<ObjectFacts, CloudError> {
    let song = ObjectName { bucket: "songs".to_owned(), key: "one.mp3".to_owned() };
    Aws::connect(settings).await.objects().facts(&song).await
}

#[tokio::test]
#[ignore = "run by the other test in a child process with its own variables"]
async fn child() {
    let mut settings = AwsSettings::default();
    match std::env::var(CASE).unwrap().as_str() {
        "variables" => {
            assert_eq!(Aws::connect(&settings).await.region(), Some("eu-west-1"));
            assert_eq!(object_facts(&settings).await.unwrap().size, 5);
        }
        "settings" => {
            settings.region = Some("eu-west-1".to_owned());
            settings.endpoint_url = Some(std::env::var(STORE).unwrap());
            assert_eq!(Aws::connect(&settings).await.region(), Some("eu-west-1"));
            assert_eq!(object_facts(&settings).await.unwrap().size, 5);
            settings.endpoint_url_s3 = Some(UNREACHABLE.to_owned());
            assert_eq!(object_facts(&settings).await.unwrap_err().kind(), CloudErrorKind::Unavailable);
        }
        "host style" => {
            settings.path_style = Some(false);
            object_facts(&settings).await.unwrap_err();
        }
        "no credentials" => {
            let error = object_facts(&settings).await.unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
            assert!(error.to_string().contains("no credentials; give the task a role"), "{error}");
        }
        "no region" => {
            assert_eq!(Aws::connect(&settings).await.region(), None);
            let aws = Aws::connect(&settings).await;
            for error in [
                object_facts(&settings).await.unwrap_err(),
                aws.queue("http://localhost/1/songs").facts().await.unwrap_err(),
                aws.topics().check_topic("songs").await.unwrap_err(),
                aws.channels(100.0).live().await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
                assert!(error.to_string().contains("AWS_REGION"), "{error}");
            }
        }
        other => panic!("no such case: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_variables_apply_where_settings_are_missing() {
    let origin = Origin::start().await.unwrap();
    origin.put("/songs/one.mp3", "12345", "audio/mpeg");
    // A host name instead of the IP address: for IP addresses the SDK always uses path style.
    let store = format!("http://localhost:{}", origin.address().port());
    let region = ("AWS_REGION", "eu-west-1");
    let one = ("AWS_ENDPOINT_URL_S3", store.as_str());
    let all = ("AWS_ENDPOINT_URL", store.as_str());
    for (case, variables) in [
        ("variables", vec![region, one, ("AWS_ENDPOINT_URL", UNREACHABLE)]),
        ("variables", vec![region, all]),
        ("settings", vec![("AWS_REGION", "us-west-2"), ("AWS_ENDPOINT_URL_S3", UNREACHABLE)]),
        ("host style", vec![region, one]),
        ("no region", vec![]),
    ] {
        let with: Vec<_> = CREDENTIALS.iter().copied().chain(variables).collect();
        run(case, &store, &with);
    }
    run("no credentials", &store, &[region, all]);
}
