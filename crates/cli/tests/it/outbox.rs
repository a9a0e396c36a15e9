//! Tests of `refrain outbox`.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// Creates a catalog with messages 1 to 6: for sink `hook` two dead and one waiting; for sink `s3` one dead, one delivered, and
/// one waiting with a damaged payload.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_catalog();
    sandbox.sql(
        "INSERT INTO outbox (id, sink, key, payload, created_at, attempts, next_attempt_at, delivered_at, dead_at, last_error) \
         VALUES (1, 'hook', 'a/start/0', '{\"version\":1,\n \"body\":\"x\"}', 1700000000000, 9, 0, NULL, 1700000009000, 'status 503'), \
         (2, 'hook', 'b/start/0', '{}', 1700000000000, 9, 0, NULL, 1700000009000, 'a' || char(27) || '[31m'), \
         (3, 'hook', 'c/start/0', '{}', 1700000000000, 2, 1700000001000, NULL, NULL, 'status 500'), \
         (4, 's3', 'a/start/0', '{}', 1700000000000, 9, 0, NULL, 1700000009000, 'denied'), \
         (5, 's3', 'b/start/0', '{}', 1700000000000, 1, 0, 1700000002000, NULL, NULL), \
         (6, 's3', 'c/start/0', 'no JSON', 1700000000000, 0, 1700000000000, NULL, NULL, NULL)",
    );
    sandbox
}

fn listed(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let output = sandbox.run(&[&["outbox", "list", "--json"], args].concat()).expect(0);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[test]
fn outbox_list_shows_pending_messages() {
    let sandbox = sandbox();
    let rows = listed(&sandbox, &[]);
    assert_eq!(ids(&rows), [1, 2, 4, 3, 6], "dead messages first, then waiting ones");
    let want = json!({"id": 1, "sink": "hook", "message": "a/start/0", "status": "dead", "created_at": 1_700_000_000_000_i64,
        "attempts": 9, "dead_at": 1_700_000_009_000_i64, "last_error": "status 503",
        "payload": {"version": 1, "body": "x"}});
    assert_eq!(rows[0], want);
    assert_eq!(
        (&rows[3]["status"], &rows[3]["next_attempt_at"]),
        (&json!("waiting"), &json!(1_700_000_001_000_i64))
    );
    assert_eq!(rows[4]["payload"], Value::Null);
    assert_eq!(ids(&listed(&sandbox, &["--sink", "s3"])), [4, 6]);
    assert_eq!(ids(&listed(&sandbox, &["--status", "delivered"])), [5]);
    assert_eq!(ids(&listed(&sandbox, &["--status", "dead", "--sink", "hook"])), [1, 2]);
    assert_eq!(ids(&listed(&sandbox, &["--sink", "none"])), Vec::<i64>::new());

    let table = sandbox.run(&["outbox", "list"]).expect(0).stdout;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    for part in ["id", "sink", "last error"] {
        assert!(lines[0].contains(part), "{table}");
    }
    assert!(lines[1].contains("2023-11-14 22:13:29 UTC") && lines[1].contains("status 503"), "{table}");
    assert!(lines[2].contains("\\u{1b}[31m"), "{table}");
    sandbox
        .run(&["outbox", "list", "--status", "lost"])
        .expect(2)
        .stderr_contains("waiting, dead, delivered");
}

#[test]
fn outbox_retry_revives_dead_messages() {
    let sandbox = sandbox();
    let output = sandbox.run(&["outbox", "retry", "1", "3", "77"]).expect(3);
    assert_eq!(output.stdout, "1 messages are due again\n");
    output.stderr_contains("message 3 is not dead").stderr_contains("message 77 is not dead");
    sandbox.run(&["outbox", "retry", "1"]).expect(2).stderr_contains("not dead");
    let again = &listed(&sandbox, &["--status", "waiting"])[0];
    assert_eq!((&again["id"], &again["attempts"]), (&json!(1), &json!(0)));
    assert!(again["next_attempt_at"].as_i64().unwrap() > 1_700_000_009_000);

    assert_eq!(
        sandbox.run(&["outbox", "retry", "--sink", "s3"]).expect(0).stdout,
        "1 messages are due again\n"
    );
    assert_eq!(ids(&listed(&sandbox, &["--status", "dead"])), [2]);
    assert_eq!(sandbox.run(&["outbox", "retry", "--all"]).expect(0).stdout, "1 messages are due again\n");
    assert_eq!(sandbox.run(&["outbox", "retry", "--all"]).expect(0).stdout, "0 messages are due again\n");
    for wrong in [&["outbox", "retry"][..], &["outbox", "retry", "1", "--all"], &["outbox", "retry", "x"]] {
        sandbox.run(wrong).expect(2);
    }
    Sandbox::new().run(&["outbox", "list"]).expect(2).stderr_contains("not found; create it with");
}

#[test]
fn outbox_list_and_retry_handle_multiple_pages() {
    let sandbox = Sandbox::with_catalog();
    sandbox.sql(
        "INSERT INTO outbox (sink, key, payload, created_at, next_attempt_at, dead_at) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1201) \
         SELECT 'hook', 'k' || n, '{}', 0, 0, 5 FROM n",
    );
    assert_eq!(listed(&sandbox, &[]).len(), 1201);
    let table = sandbox.run(&["outbox", "list"]).expect(0).stdout;
    assert_eq!(table.lines().count(), 1202, "one heading line and all messages");
    assert_eq!(sandbox.run(&["outbox", "retry", "--all"]).expect(0).stdout, "1201 messages are due again\n");
}

#[test]
fn messages_of_a_removed_sink_can_be_dropped() {
    let sandbox = sandbox();
    let doctor = sandbox.run(&["doctor"]).expect(3);
    doctor.stdout_contains("sinks that are not in these settings: 1 for \"hook\", 1 for \"s3\"");
    sandbox.run(&["outbox", "drop", "s3"]).expect(0).stdout_contains("2 messages for sink \"s3\" deleted");
    assert_eq!(ids(&listed(&sandbox, &[])), [1, 2, 3]);
    assert_eq!(ids(&listed(&sandbox, &["--status", "delivered"])), [5], "the history is kept");
    sandbox.file("service.toml", "[[sinks]]\nname = \"hook\"\nkind = \"stdout\"\n");
    sandbox.run(&["--config", "service.toml", "outbox", "drop", "hook"]).expect(2).stderr_contains("--force");
    sandbox.run(&["--config", "service.toml", "outbox", "drop", "hook", "--force"]).expect(0);
    assert_eq!(ids(&listed(&sandbox, &[])), Vec::<i64>::new());
}
