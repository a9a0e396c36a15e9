//! Changes of the settings of a running service.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::end_to_end::wait_until;
use super::{Service, request};
use crate::stage::{Stage, responses};

fn sink(name: &str, folder: &Path) -> String {
    format!("[[sinks]]\nkind = 'folder'\nname = '{name}'\npath = '{}'\nkey = '{{file}}'\n", folder.display())
}

fn stream(id: &str, url: &str) -> String {
    format!("[[streams]]\nid = '{id}'\nurl = '{url}'\n")
}

impl Service<'_> {
    /// Replaces the streams and sinks of the settings file, as an editor does: with a new file.
    fn change_settings(&self, settings: &str) {
        let old = std::fs::read_to_string(&self.config).unwrap();
        let catalog = old.lines().next().unwrap();
        let http = &old[old.find("[http]").unwrap()..];
        let new = self.config.with_extension("new");
        std::fs::write(&new, format!("{catalog}\n{settings}\n{http}")).unwrap();
        std::fs::rename(new, &self.config).unwrap();
    }

    /// Returns the field of each stream that is followed, by the ids of the streams.
    fn streams(&self, field: &str) -> Vec<(String, serde_json::Value)> {
        let streams = self.get("/v1/streams").json()["streams"].as_array().unwrap().clone();
        let followed = streams.iter().filter(|stream| stream["ended_at"].is_null());
        followed.map(|stream| (stream["id"].as_str().unwrap().to_owned(), stream[field].clone())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_sinks_of_a_running_service_can_be_changed() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let (old, new) = (stage.sandbox.path("old"), stage.sandbox.path("new"));
    let fixed = stream("one", &url);
    let settings = fixed.clone() + &sink("old", &old);
    let mut service = Service::start(&stage.sandbox, &settings, &["--role", "monitor,api"], &[]);
    service.wait("/readyz", 200);
    stage.joined().await;
    live.publish(8);
    wait_until("the start", || responses(&old).into_iter().next()).await;
    let before = service.streams("started_at");
    let log = Arc::<Mutex<String>>::default();
    let (lines, written) = (service.running.log(), Arc::clone(&log));
    std::thread::spawn(move || lines.for_each(|line| written.lock().unwrap().push_str(&line)));

    // Invalid settings change nothing.
    service.change_settings(&(settings.clone() + "[[streams]]\nid = 'two'\n"));
    wait_until("the error", || log.lock().unwrap().contains("keeping the previous ones").then_some(())).await;
    assert_eq!(service.streams("started_at"), before);

    // Another stream and another sink.
    service.change_settings(&(fixed.clone() + &stream("two", &url) + &sink("new", &new)));
    wait_until("the second stream", || Some(service.streams("id")).filter(|all| all.len() == 2)).await;
    assert_eq!(service.streams("started_at")[0], before[0], "the first stream was not restarted");
    // The song that played during the change ends once, with the airing of its start.
    live.publish(9);
    let finals = wait_until("the final of the first song", || {
        let all = responses(&new).into_iter().map(|(_, response)| response["matches"][0]["evidence"].clone());
        let finals: Vec<_> = all.filter(|evidence| evidence["event"] == "final").collect();
        (!finals.is_empty()).then_some(finals)
    })
    .await;
    let start = &responses(&old)[0].1["matches"][0]["evidence"];
    assert_eq!(start["airing"], finals[0]["airing"]);
    assert_eq!(responses(&old).len(), 1, "the removed sink receives nothing");

    // SIGHUP reads the file at once; the streams that were removed end.
    service.change_settings(&sink("new", &new));
    service.running.signal("HUP");
    wait_until("the end of both streams", || service.streams("id").is_empty().then_some(())).await;
    assert_eq!(request(service.port, "GET", "/healthz", &[], "").unwrap().status, 200);
    service.end().expect(0);
}
