//! Tests of the HTTP API and of `refrain streams`.

use serde_json::json;

use super::Service;
use crate::support::Sandbox;

#[test]
fn streams_are_added_listed_and_stopped() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "[service]\ncapacity = 0\n", &[], &[]);
    service.wait("/readyz", 200);
    let added = service.post("/v1/streams", r#"{"id":"a/b c","url":"http://127.0.0.1:1/x.m3u8?token=hush"}"#);
    assert_eq!((added.status, added.json()["stream"]["origin"].as_str()), (201, Some("api")), "{added:?}");
    let again = service.post("/v1/streams", r#"{"id":"a/b c","url":"http://127.0.0.1:1/x.m3u8?token=hush"}"#);
    assert_eq!(again.status, 200);
    let other = service.post("/v1/streams", r#"{"id":"a/b c","url":"http://127.0.0.1:1/y.m3u8"}"#);
    assert_eq!(other.status, 409);
    let output = service.command(&["streams", "add", "second", "udp://239.1.2.3:5000"]).expect(0);
    assert_eq!(output.stdout, "stream \"second\" added\n");
    service
        .command(&["streams", "add", "second", "udp://239.1.2.3:5001"])
        .expect(2)
        .stderr_contains("another URL");
    service
        .command(&["streams", "add", "x", "ftp://hush"])
        .expect(2)
        .stderr_contains("use http, https or udp");
    let body = r#"{"id":"h","url":"http://127.0.0.1:1/h.m3u8","headers":{"Authorization":"Bearer hush","Cookie":["a=hush"]}}"#;
    let with_headers = service.post("/v1/streams", body);
    assert_eq!(with_headers.json()["stream"]["header_names"], json!(["authorization", "cookie"]));
    assert_eq!(service.post("/v1/streams", body).status, 200);
    assert_eq!(service.post("/v1/streams", &body.replace("a=hush", "a=other")).status, 409);
    let invalid = service.post("/v1/streams", &body.replace("Authorization", "Host"));
    assert!(invalid.status == 422 && !format!("{invalid:?}").contains("hush"), "{invalid:?}");
    assert_eq!(service.request("DELETE", "/v1/streams/h", &[], "").status, 204);
    std::fs::write(sandbox.path("headers"), "# comment\nX-Key: hush\n").unwrap();
    let file = sandbox.path("headers");
    let add = ["streams", "add", "third", "http://127.0.0.1:1/x", "--header", "Referer: r", "--header-file"];
    service.command(&[&add[..], &[file.to_str().unwrap()]].concat()).expect(0);
    let listed = service.command(&["streams", "list", "--json"]).expect(0);
    assert!(listed.stdout.contains(r#""header_names":["referer","x-key"]"#), "{listed:#?}");
    assert!(!listed.stdout.contains("hush"));
    service.command(&["streams", "stop", "third"]).expect(0);
    let list = service.get("/v1/streams");
    let ids: Vec<_> = list.json()["streams"].as_array().unwrap().iter().map(|s| s["id"].clone()).collect();
    assert_eq!(ids, ["a/b c", "second"]);
    let first = service.get("/v1/streams?limit=1").json();
    assert_eq!(first["next"], "a/b c");
    let rest = service.get("/v1/streams?limit=1&after=a%2Fb%20c").json();
    assert_eq!((&rest["streams"][0]["id"], &rest["streams"][1]), (&json!("second"), &json!(null)));
    let one = service.get("/v1/streams/a%2Fb%20c");
    assert_eq!(one.json()["stream"]["state"], "starting");
    assert!(!format!("{list:?} {one:?} {added:?}").contains("hush"));
    assert_eq!(service.request("DELETE", "/v1/streams/a%2Fb%20c", &[], "").status, 204);
    assert_eq!(service.get("/v1/streams/a%2Fb%20c").json()["stream"]["state"], "ended");
    assert_eq!(service.get("/v1/streams").json()["streams"].as_array().unwrap().len(), 1);
    assert_eq!(service.get("/v1/streams?all=true").json()["streams"].as_array().unwrap().len(), 4);
    service.command(&["streams", "stop", "second"]).expect(0);
    service.command(&["streams", "stop", "none"]).expect(2).stderr_contains("stream \"none\" not found");
    let listed = service.command(&["streams", "list", "--all", "--json"]).expect(0);
    assert_eq!(listed.stdout.lines().count(), 4);
    assert!(listed.stdout.contains("\"reason\":\"stopped by hand\""), "{listed:#?}");
    service.end().expect(0);
}

#[test]
fn invalid_requests_get_error_responses() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "[service]\ncapacity = 0\n", &[], &[]);
    service.wait("/readyz", 200);
    for (method, path, body, status, part) in [
        ("GET", "/v1/nothing", "", 404, "docs/api.md"),
        ("GET", "/v1/streams/none", "", 404, "there is no stream"),
        ("DELETE", "/v1/streams/none", "", 404, "there is no stream"),
        ("PUT", "/v1/streams", "", 405, "no such method"),
        ("GET", "/v1/streams?limit=0", "", 400, "use 1 to 1000"),
        ("GET", "/v1/streams?colour=red", "", 400, "unknown field `colour`"),
        ("GET", "/v1/streams/a/detections?from=soon", "", 400, "invalid time"),
        ("GET", "/v1/streams/a/detections?from=2000&to=1000", "", 400, "later"),
        ("GET", "/v1/streams/a/detections?after=x", "", 400, "after"),
        ("GET", "/v1/detections/none", "", 400, "invalid track id"),
        ("GET", "/v1/streams/%ff", "", 400, "UTF-8"),
        ("DELETE", "/v1/streams/a%ffb", "", 400, "UTF-8"),
        ("GET", "/v1/streams/%ff/detections", "", 400, "UTF-8"),
        ("GET", "/v1/detections/%ff", "", 400, "UTF-8"),
        ("GET", "/%ff", "", 404, "docs/api.md"),
        ("POST", "/v1/streams", "{", 400, "Failed to parse"),
        ("POST", "/v1/streams", "{\"id\":1,\"url\":\"http://x\"}", 422, "id"),
        ("POST", "/v1/streams", "{\"id\":\"\",\"url\":\"http://x\"}", 422, "1 to 200"),
        ("POST", "/v1/streams", "{\"id\":\"a\",\"url\":\"ftp://x\"}", 422, "http, https or udp URL"),
        ("POST", "/v1/streams", "{\"id\":\"a\",\"url\":\"http://x\",\"colour\":1}", 422, "colour"),
    ] {
        let response = service.request(method, path, &["content-type: application/json"], body);
        assert_eq!(response.status, status, "{method} {path} {body}: {response:?}");
        assert!(response.json()["error"].as_str().unwrap().contains(part), "{part}: {response:?}");
    }
    // A web page can send this content type to other origins without a preflight request of the browser.
    let simple = service.request(
        "POST",
        "/v1/streams",
        &["content-type: text/plain"],
        "{\"id\":\"a\",\"url\":\"http://x\"}",
    );
    assert_eq!(simple.status, 415, "{simple:?}");
    assert!(simple.json()["error"].as_str().unwrap().contains("Content-Type"), "{simple:?}");
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(100_000));
    let long = service.post("/v1/streams", &long);
    assert_eq!(long.status, 413, "{long:?}");
    assert!(long.json()["error"].as_str().unwrap().contains("65536 bytes"), "{long:?}");
    assert_eq!(service.get("/v1/streams?all=true").json()["streams"], json!([]));
    service.end().expect(0);
}

#[test]
fn api_requires_the_configured_token() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "", &[], &[("REFRAIN_HTTP_API_TOKEN", "open sesame")]);
    service.wait("/readyz", 200);
    for header in
        ["x: y", "authorization: Bearer open", "authorization: Bearer open sesame2", "authorization: Basic x"]
    {
        let response = service.request("GET", "/v1/streams", &[header], "");
        assert_eq!(response.status, 401, "{header}");
        assert!(
            response.head.contains("www-authenticate: bearer") && !response.body.contains("sesame"),
            "{response:?}"
        );
    }
    let right = ["authorization: Bearer open sesame", "host: api.example.org"];
    assert_eq!(service.request("GET", "/v1/streams", &right, "").status, 200);
    assert_eq!(service.get("/metrics").status, 200, "metrics do not require the token");
    let output = service.end().expect(0);
    assert!(!output.stderr.contains("sesame"), "{output:#?}");
}

#[test]
fn without_a_token_only_local_requests_are_accepted() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "", &[], &[]);
    service.wait("/readyz", 200);
    assert_eq!(service.get("/v1/streams").status, 200);
    // A DNS rebinding attack: a web page whose host name resolves to this machine.
    assert_eq!(service.request("GET", "/v1/streams", &["host: evil.example.org"], "").status, 403);
    service.end().expect(0);
    let mut without = Service::start(&sandbox, "", &["--role", "monitor"], &[]);
    without.wait("/readyz", 200);
    assert_eq!(without.get("/v1/streams").status, 404);
    without.end().expect(0);
}
