//! Tests of starting, and of errors at the start.

use std::process::Command;

use super::Service;
use crate::support::{CommandOutput, Sandbox};

const REGION: &str = "[aws]\nregion = 'eu-west-1'\n";

#[test]
fn roles_with_missing_settings_are_rejected() {
    let sandbox = Sandbox::new();
    for (settings, args, part) in [
        (REGION, &["--role", "check"][..], "the role check needs a queue: set queues.check"),
        (REGION, &["--role", "monitor,index"], "the role index needs a queue: set queues.index"),
        ("[http]\nlisten = ''\n", &["--role", "api"], "the role api needs an address: set http.listen"),
        ("search = 'database'\n", &[], "use search = \"local\""),
        ("[[sinks]]\nkind = 'webhook'\n", &[], "sink \"webhook\": url is missing"),
    ] {
        sandbox.file("c.toml", settings);
        let all = [&["--config", "c.toml", "serve"], args].concat();
        sandbox.run(&all).expect(2).stderr_contains(part);
    }
    sandbox.run(&["serve", "--role", "cook"]).expect(2).stderr_contains("cook");
}

#[test]
fn service_waits_for_an_unreachable_database() {
    let sandbox = Sandbox::new();
    // No server listens on this port.
    let away = "postgres://ann:hush@127.0.0.1:1/music?sslmode=disable";
    let mut service = Service::on(&sandbox, away, "", &[], &[]);
    let response = service.wait("/readyz", 503);
    assert!(response.body.contains("database: ") && !response.body.contains("hush"), "{response:?}");
    assert_eq!(service.get("/healthz").status, 200, "a missing database must not make the service unhealthy");
    assert_eq!(service.get("/v1/streams").status, 503);
    service.command(&["healthcheck"]).expect(0);
    service.command(&["healthcheck", "--ready"]).expect(1).stderr_contains("/readyz returned status 503");
    let output = service.end().expect(0).stderr_contains("catalog unavailable, retrying");
    assert!(!output.stderr.contains("hush"), "{output:#?}");
}

#[test]
fn serve_names_a_port_in_use() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "", &[], &[]);
    service.wait("/readyz", 200);
    service.command(&["serve"]).expect(2).stderr_contains("cannot listen at 127.0.0.1:");
    service.end().expect(0);
}

#[test]
fn healthcheck_fails_without_a_service() {
    let sandbox = Sandbox::new();
    let check = |listen: &str| {
        let mut command = sandbox.command(&["healthcheck"]);
        CommandOutput::from(command.env("REFRAIN_HTTP_LISTEN", listen).output().unwrap())
    };
    check("127.0.0.1:1").expect(1).stderr_contains("cannot connect to 127.0.0.1:1");
    check("0.0.0.0:1").expect(1).stderr_contains("cannot connect to 127.0.0.1:1");
}

#[test]
fn binary_name_identify_stream_selects_the_drop_in() {
    let sandbox = Sandbox::new();
    let link = sandbox.path("identifyStream");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_refrain"), &link).unwrap();
    let output = CommandOutput::from(Command::new(&link).arg("--help").output().unwrap()).expect(0);
    assert!(output.stdout.contains("Usage: identifyStream"), "{output:#?}");
    let output = CommandOutput::from(Command::new(&link).args(["-i", "x"]).output().unwrap()).expect(2);
    assert!(output.stderr.contains("-e <ID>"), "{output:#?}");
}
