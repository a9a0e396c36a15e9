//! A network that loses connections at the worst moment.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use refrain_catalog::{AddOutcome, NewTrack, PostgresSettings, TrackUpdate};
use sqlx::ConnectOptions;
use sqlx::postgres::PgSslMode;

use super::{Database, open_with};
use crate::contract::races::consistent;
use crate::contract::{TestStorage, added, id, new_track, rule};

/// Where the next commit is lost: nowhere, on its way to the server, or its response.
const NEVER: u8 = 0;
pub(super) const BEFORE: u8 = 1;
pub(super) const AFTER: u8 = 2;

/// Forwards all data between clients and a server, except for the data that the test discards.
pub(super) struct Proxy {
    port: u16,
    lose: Arc<AtomicU8>,
    /// Connections before this one are silent: nothing is forwarded, and no error is reported.
    first_forwarded: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// Handling of a piece of data.
enum Forwarding {
    Pass,
    Lost,
    CutOff,
}

impl Proxy {
    pub(super) fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lose = Arc::new(AtomicU8::new(NEVER));
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            lose: Arc::clone(&lose),
            first_forwarded: Arc::default(),
            connections: Arc::default(),
        };
        let (first_forwarded, connections) =
            (Arc::clone(&proxy.first_forwarded), Arc::clone(&proxy.connections));
        let server = (host.to_owned(), port);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)) else { continue };
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let first_forwarded = Arc::clone(&first_forwarded);
                let silent = move || number < first_forwarded.load(Ordering::SeqCst);
                pump(client, server, Arc::clone(&lose), silent);
            }
        });
        proxy
    }

    /// URL of the database through this proxy.
    pub(super) fn url(&self, database: &Database) -> String {
        let options = database.options().host("127.0.0.1").port(self.port).ssl_mode(PgSslMode::Disable);
        options.to_url_lossy().into()
    }

    pub(super) fn lose_next_commit(&self, when: u8) {
        self.lose.store(when, Ordering::SeqCst);
    }

    /// Makes all existing connections silent; later ones work.
    fn go_silent(&self) {
        self.first_forwarded.store(self.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub(super) fn has_lost(&self) -> bool {
        self.lose.load(Ordering::SeqCst) == NEVER
    }
}

fn pump(
    client: TcpStream,
    server: TcpStream,
    lose: Arc<AtomicU8>,
    silent: impl Fn() -> bool + Clone + Send + 'static,
) {
    let drop_responses = Arc::new(AtomicBool::new(false));
    let (to_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (drop_responses_clone, silent_clone) = (Arc::clone(&drop_responses), silent.clone());
    thread::spawn(move || {
        pass(from_server, to_client, |_| match drop_responses_clone.load(Ordering::SeqCst) {
            true => Forwarding::CutOff,
            false if silent_clone() => Forwarding::Lost,
            false => Forwarding::Pass,
        });
    });
    thread::spawn(move || {
        pass(client, server, |bytes| {
            if silent() {
                return Forwarding::Lost;
            }
            if !bytes.windows(7).any(|window| window == b"COMMIT\0") {
                return Forwarding::Pass;
            }
            match lose.swap(NEVER, Ordering::SeqCst) {
                BEFORE => return Forwarding::CutOff,
                AFTER => drop_responses.store(true, Ordering::SeqCst),
                _ => {}
            }
            Forwarding::Pass
        });
    });
}

/// Forwards data until its end, or until both sides are to be disconnected.
fn pass(mut from: TcpStream, mut to: TcpStream, forwarding: impl Fn(&[u8]) -> Forwarding) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        match forwarding(&buffer[..length]) {
            Forwarding::Pass if to.write_all(&buffer[..length]).is_ok() => {}
            Forwarding::Lost => {}
            Forwarding::Pass | Forwarding::CutOff => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

async fn assert_changes_apply_once(when: u8) {
    let database = Database::new();
    let options = database.options();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    let catalog = refrain_catalog::open(&proxy.url(&database)).await.unwrap();
    let old = added(&*catalog, new_track("old", 1)).await;
    let kept = added(&*catalog, new_track("kept", 2)).await;
    let position = async || database.open().await.position().await.unwrap();

    proxy.lose_next_commit(when);
    let import = NewTrack { id: Some(id(7)), ..new_track("import", 4) };
    let batch = vec![new_track("new", 3), new_track("old", 5), new_track("kept", 2), import];
    let outcomes = catalog.add_all(batch).await.unwrap();
    assert!(proxy.has_lost());
    let [Ok(AddOutcome::Added(new)), Ok(AddOutcome::Replaced(replaced)), Ok(unchanged), Ok(import)] =
        outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((replaced.id, unchanged), (old.id, &AddOutcome::Unchanged(kept)));
    assert!(matches!(import, AddOutcome::Added(track) if track.id == id(7)), "{import:?}");
    assert_eq!(catalog.by_numbers(&[new.number]).await.unwrap(), std::slice::from_ref(new));
    assert_eq!((catalog.count().await.unwrap(), position().await), (4, 6));

    proxy.lose_next_commit(when);
    let update = TrackUpdate { metadata: None, rule: Some(Some(rule("block"))) };
    let updated = catalog.update(new.id, update).await.unwrap().unwrap();
    assert!(proxy.has_lost());
    assert_eq!(updated.rule, Some(rule("block")));
    assert_eq!(catalog.by_id(new.id).await.unwrap().unwrap(), updated);

    proxy.lose_next_commit(when);
    assert!(catalog.remove(new.id).await.unwrap(), "it was this call that removed it");
    assert!(proxy.has_lost());
    assert!(!catalog.remove(new.id).await.unwrap());

    proxy.lose_next_commit(when);
    assert_eq!(catalog.count().await.unwrap(), 3);
    assert!(proxy.has_lost());
    consistent(&*database.open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_lost_on_its_way_is_applied_once() {
    assert_changes_apply_once(BEFORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_with_a_lost_response_is_applied_once() {
    assert_changes_apply_once(AFTER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_succeed_after_the_network_goes_silent() {
    let database = Database::new();
    let options = database.options();
    let proxy = Proxy::to(options.get_host(), options.get_port());
    let (statement_timeout, acquire_timeout) = (Duration::from_millis(400), Duration::from_millis(400));
    let settings = PostgresSettings { statement_timeout, acquire_timeout, ..PostgresSettings::default() };
    let catalog = open_with(&proxy.url(&database), settings).await.unwrap();
    let old = added(&*catalog, new_track("old", 1)).await;
    proxy.go_silent();
    assert_eq!(catalog.by_id(old.id).await.unwrap(), Some(old));
    proxy.go_silent();
    added(&*catalog, new_track("new", 2)).await;
    assert_eq!(catalog.position().await.unwrap(), 2);
    consistent(&*database.open().await).await;
}
