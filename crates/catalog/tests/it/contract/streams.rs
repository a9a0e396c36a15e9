//! Streams: start, end and lists.

use refrain_catalog::{
    CatalogError, Journal, NewStream, StartOutcome, Stream, StreamFilter, StreamHeaders, StreamState,
};

use super::leases::{HOUR, claimed, renewed};
use super::*;

pub(crate) fn new_stream(id: &str, session: Option<&str>, started_at: i64) -> NewStream {
    NewStream {
        id: id.into(),
        url: format!("https://example.org/{id}.m3u8"),
        headers: None,
        origin: "test".into(),
        session: session.map(Into::into),
        started_at,
    }
}

pub(crate) async fn started(journal: &dyn Journal, new: &NewStream) -> Stream {
    match journal.start_stream(new).await.unwrap() {
        StartOutcome::Started(stream) => stream,
        StartOutcome::Known(stream) => panic!("known as {stream:?}"),
    }
}

async fn known(journal: &dyn Journal, new: &NewStream) -> Stream {
    match journal.start_stream(new).await.unwrap() {
        StartOutcome::Known(stream) => stream,
        StartOutcome::Started(stream) => panic!("started {stream:?}"),
    }
}

pub(crate) async fn a_start_reported_twice_is_one_stream(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let new = new_stream("a", Some("s1"), 1000);
    let stream = started(journal, &new).await;
    let expected = Stream {
        id: "a".into(),
        url: new.url.clone(),
        headers: None,
        origin: "test".into(),
        session: Some("s1".into()),
        state: StreamState::Starting,
        reason: None,
        epoch: None,
        clock_anchor: None,
        alerts: None,
        created_at: 1000,
        started_at: 1000,
        updated_at: 1000,
        ended_at: None,
        lease_owner: None,
        lease_until: None,
        attempts: 0,
        deaths: 0,
        decoder_deaths: 0,
        progress: None,
    };
    assert_eq!(stream, expected);
    assert_eq!(known(journal, &new).await, expected);
    assert_eq!(known(journal, &NewStream { url: "other".into(), started_at: 2000, ..new }).await, expected);
    assert_eq!(storage.open().await.journal().stream("a").await.unwrap(), Some(expected));
    assert_eq!(journal.stream("b").await.unwrap(), None);
}

pub(crate) async fn a_late_start_of_an_earlier_session_is_ignored(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let (first, second) = (new_stream("a", Some("s1"), 1000), new_stream("a", Some("s2"), 2000));
    started(journal, &first).await;
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
    let stream = started(journal, &second).await;
    assert_eq!((stream.created_at, stream.started_at, stream.attempts), (1000, 2000, 0));
    assert_eq!(stream.session.as_deref(), Some("s2"));
    assert_eq!(renewed(journal, "w").await, Vec::<String>::new(), "the new session has no lease");
    assert_eq!(known(journal, &first).await, stream);
    assert!(journal.end_stream("a", None, None, 2500).await.unwrap());
    assert_eq!(known(journal, &first).await.session.as_deref(), Some("s2"));
    assert_eq!(known(journal, &second).await.state, StreamState::Ended);
    let third = started(journal, &new_stream("a", Some("s3"), 2400)).await;
    assert_eq!((third.state, third.reason, third.ended_at), (StreamState::Starting, None, None));
}

pub(crate) async fn a_session_without_a_name_starts_again_after_its_end(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let at = |time| new_stream("a", None, time);
    started(journal, &at(1000)).await;
    assert_eq!(known(journal, &at(2000)).await.started_at, 1000);
    assert_eq!(known(journal, &new_stream("a", Some("s1"), 2000)).await.session, None);
    assert!(journal.end_stream("a", None, Some("gone"), 3000).await.unwrap());
    let over = known(journal, &at(3000)).await;
    assert_eq!((over.state, over.reason.as_deref()), (StreamState::Ended, Some("gone")));
    assert_eq!((over.ended_at, over.updated_at), (Some(3000), 3000));
    let again = started(journal, &at(3001)).await;
    assert_eq!((again.state, again.ended_at, again.created_at), (StreamState::Starting, None, 1000));
}

pub(crate) async fn headers_are_replaced_by_the_next_start(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let headers = Some(StreamHeaders::new(r#"{"authorization":"secret"}"#.into()));
    let new = NewStream { headers: headers.clone(), ..new_stream("a", None, 1000) };
    let stream = started(journal, &new).await;
    assert_eq!(stream.headers, headers);
    assert!(!format!("{stream:?} {new:?}").contains("secret"));
    let without = NewStream { started_at: 3000, ..new_stream("a", None, 1000) };
    assert_eq!(known(journal, &without).await.headers, headers);
    assert!(journal.end_stream("a", None, None, 2000).await.unwrap());
    assert_eq!(started(journal, &without).await.headers, None);
    assert_eq!(storage.open().await.journal().stream("a").await.unwrap().unwrap().headers, None);
}

pub(crate) async fn an_end_applies_to_one_session_only(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("a", Some("s2"), 2000)).await;
    for (id, session, at) in
        [("a", Some("s1"), 3000), ("a", None, 1999), ("a", Some("s2"), 1999), ("b", None, 3000)]
    {
        assert!(!journal.end_stream(id, session, None, at).await.unwrap(), "{id} {session:?} {at}");
    }
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
    assert!(journal.end_stream("a", Some("s2"), None, 3000).await.unwrap());
    assert!(!journal.end_stream("a", Some("s2"), None, 3001).await.unwrap(), "it had ended");
    assert_eq!(journal.stream("a").await.unwrap().unwrap().lease_owner, None);
    assert_eq!(renewed(journal, "w").await, Vec::<String>::new());
    assert_eq!(claimed(journal, "w", 9, HOUR).await, Vec::<String>::new());
}

pub(crate) async fn streams_are_listed_in_pages(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let ids = ["B", "_", "a", "a b", "ab", "\u{e9}"];
    for id in ids.iter().rev() {
        let origin = if id.starts_with('a') { "queue" } else { "test" };
        started(journal, &NewStream { origin: origin.into(), ..new_stream(id, None, 1000) }).await;
    }
    let all = StreamFilter { over: true, ..StreamFilter::default() };
    for limit in [1, 2, 5, 100] {
        let mut seen: Vec<Stream> = Vec::new();
        loop {
            let page =
                journal.streams(&all, seen.last().map(|stream| stream.id.as_str()), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert!(seen.iter().map(|stream| stream.id.as_str()).eq(ids), "pages of {limit}");
    }
    assert!(journal.end_stream("a", None, None, 2000).await.unwrap());
    let listed = async |filter: &StreamFilter| -> Vec<String> {
        let page = journal.streams(filter, None, 100).await.unwrap();
        page.into_iter().map(|stream| stream.id).collect()
    };
    assert_eq!(listed(&StreamFilter::default()).await, ["B", "_", "a b", "ab", "\u{e9}"]);
    let queue = StreamFilter { origin: Some("queue".into()), ..StreamFilter::default() };
    assert_eq!(listed(&queue).await, ["a b", "ab"]);
    let ended = StreamFilter { state: Some(StreamState::Ended), ..all };
    assert_eq!(listed(&ended).await, ["a"]);
    for id in [String::new(), "long ".repeat(500)] {
        let rejected = journal.start_stream(&new_stream(&id, None, 1000)).await;
        assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    }
}

pub(crate) async fn concurrent_reports_of_the_same_starts_agree(storage: &dyn TestStorage) {
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let catalog = storage.open().await;
        tasks.push(tokio::spawn(async move {
            let mut mine = 0;
            for n in 0..30 {
                let new = new_stream(&format!("{}", n % 10), Some(&format!("s{}", n / 10)), 1000 + n / 10);
                let outcome = catalog.journal().start_stream(&new).await.unwrap();
                mine += i32::from(matches!(outcome, StartOutcome::Started(_)));
            }
            mine
        }));
    }
    let mut started_count = 0;
    for task in tasks {
        started_count += task.await.unwrap();
    }
    // A session does not start if its first report comes after other workers have reported a later session.
    assert!((10..=30).contains(&started_count), "{started_count}");
    let catalog = storage.open().await;
    let streams = catalog.journal().streams(&StreamFilter::default(), None, 100).await.unwrap();
    assert_eq!(streams.len(), 10);
    assert!(streams.iter().all(|stream| stream.started_at == 1002));
}
