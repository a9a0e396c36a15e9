//! What the SDK's own variables do. They belong to a process, so each case runs in a child: this very program, with one
//! test of it chosen.

use std::process::Command;

use refrain_aws::{Aws, AwsSettings};
use refrain_service::outside::{Objects, OutsideErrorKind};

use crate::setup::{DEAD, moto, new_bucket};

const CASE: &str = "REFRAIN_TEST_CASE";
const MOTO: &str = "REFRAIN_TEST_MOTO";

const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// Runs [`child`] with nothing but these variables of AWS.
fn run(case: &str, variables: &[(&str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "environment::child", "--ignored", "--nocapture"]);
    child.env_clear().env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    child.env(CASE, case).env(MOTO, moto()).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{case}: {said}");
}

#[tokio::test]
#[ignore = "the other tests run it, with variables of theirs"]
async fn child() {
    let moto = std::env::var(MOTO).unwrap();
    let mut settings = AwsSettings::default();
    match std::env::var(CASE).unwrap().as_str() {
        "variables" => {
            let aws = Aws::connect(&settings).await;
            assert_eq!(aws.region(), Some("eu-west-1"));
            aws.objects().check_bucket("environment").await.unwrap();
        }
        "settings" => {
            settings.region = Some("eu-west-1".to_owned());
            settings.endpoint_url = Some(moto);
            let aws = Aws::connect(&settings).await;
            assert_eq!(aws.region(), Some("eu-west-1"));
            aws.objects().check_bucket("environment").await.unwrap();
            settings.endpoint_url_s3 = Some(DEAD.to_owned());
            let objects = Aws::connect(&settings).await.objects();
            let error = objects.check_bucket("environment").await.unwrap_err();
            assert_eq!(error.kind(), OutsideErrorKind::Unavailable, "{error}");
        }
        "host style" => {
            // Then the bucket is looked for at a host that is not there, or at one that is not moto.
            settings.path_style = Some(false);
            let objects = Aws::connect(&settings).await.objects();
            objects.check_bucket("environment").await.unwrap_err();
        }
        "no credentials" => {
            let error =
                Aws::connect(&settings).await.objects().check_bucket("environment").await.unwrap_err();
            assert_eq!(error.kind(), OutsideErrorKind::Denied, "{error}");
            assert!(error.to_string().contains("no credentials; give the task a role"), "{error}");
        }
        "no region" => {
            let aws = Aws::connect(&settings).await;
            assert_eq!(aws.region(), None);
            let error = aws.objects().check_bucket("environment").await.unwrap_err();
            assert_eq!(error.kind(), OutsideErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains("AWS_REGION"), "{error}");
        }
        other => panic!("no such case: {other}"),
    }
}

/// One test, as each child wants the processor for itself.
#[tokio::test]
async fn variables_count_where_the_settings_say_nothing() {
    new_bucket("environment").await;
    let moto = moto();
    let with = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let all = CREDENTIALS.iter().copied().chain(more.iter().copied());
        all.map(|(name, value)| (name, value.to_owned())).collect()
    };
    for (case, variables) in [
        (
            "variables",
            with(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_S3", &moto), ("AWS_ENDPOINT_URL", DEAD)]),
        ),
        ("variables", with(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", &moto)])),
        ("settings", with(&[("AWS_REGION", "us-west-2"), ("AWS_ENDPOINT_URL_S3", DEAD)])),
        ("host style", with(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_S3", &moto)])),
        ("no credentials", vec![("AWS_REGION", "eu-west-1".into()), ("AWS_ENDPOINT_URL", moto.clone())]),
        ("no region", with(&[])),
    ] {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(case, &variables);
    }
}
