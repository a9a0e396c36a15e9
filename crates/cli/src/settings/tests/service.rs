//! Tests of the settings of the service: layers, ranges, sinks and secrets.

use std::time::Duration;

use refrain_monitor::AudioPreferences;
use refrain_service::settings::{DetectionOrigin, ServiceSettings, SinkFormat, SinkKind};
use refrain_stream::TrackChoice;
use refrain_stream::hls::RenditionChoice;

use super::*;

fn read(text: &str, variables: &[(&str, &str)]) -> Result<ServiceSettings> {
    let file = file(text);
    resolve(&["--config", file.path().to_str().unwrap(), "demo"], variables)?.service(None)
}

#[test]
fn defaults_are_a_complete_service() {
    let service = read("", &[]).unwrap();
    // The roles check and index are off because their queues are not set.
    assert!(service.roles.monitor && service.roles.api && !service.roles.check && !service.roles.index);
    let both = read("[queues]\ncheck = 'a'\nindex = 'b'\n", &[]).unwrap().roles;
    assert!(both.monitor && both.api && both.check && both.index);
    assert_eq!((service.streams.capacity, service.drain), (200, Duration::from_secs(25)));
    assert_eq!(service.streams.reconcile, Some(Duration::from_secs(180)));
    assert_eq!(service.streams.monitor.live.update_seconds, Some(30.0));
    assert_eq!(service.files.max_object_bytes, 50_000_000_000);
    assert_eq!(
        (service.retention.detections, service.retention.deliveries),
        (None, Some(Duration::from_secs(7 * 86_400)))
    );
    assert_eq!(service.http.listen.unwrap().to_string(), "127.0.0.1:8080");
    assert!(service.outbox.sinks.is_empty() && service.emf.is_none() && service.http.api_token.is_none());
    // The default names of two processes differ.
    assert_ne!(service.name, read("", &[]).unwrap().name);
    assert!(
        service.name.len() > 9 && service.name.is_char_boundary(service.name.len() - 9),
        "{}",
        service.name
    );
}

#[test]
fn stream_overrides_single_thresholds_of_health() {
    let text = "[monitor]\nevents = ['final', 'alert']\n[health]\nsilence_seconds = 20\nloop_seconds = 0\n\
                [[streams]]\nid = 'a'\nurl = 'http://a'\nhealth = { silence_seconds = 30, enabled = false }\n\
                [[streams]]\nid = 'b'\nurl = 'http://b'\n";
    let streams = read(text, &[("REFRAIN_HEALTH_QUIET_LUFS", "-50")]).unwrap().streams;
    assert_eq!((streams.alerts, streams.events.len()), (true, 1));
    let all = &streams.monitor.health;
    assert_eq!(
        (all.enabled, all.silence_seconds, all.loop_seconds, all.quiet_lufs),
        (true, 20.0, 0.0, -50.0)
    );
    let one = streams.fixed[0].health.clone().unwrap();
    assert_eq!(
        (one.enabled, one.silence_seconds, one.loop_seconds, one.quiet_lufs),
        (false, 30.0, 0.0, -50.0)
    );
    assert_eq!(streams.fixed[1].health, None);
    assert!(!read("", &[]).unwrap().streams.alerts);
    let invalid = "[[streams]]\nid = 'a'\nurl = 'http://a'\nhealth = { silence_dbfs = 6 }\n";
    let error = format!("{:#}", read(invalid, &[]).unwrap_err());
    assert!(error.contains("stream \"a\"") && error.contains("health.silence_dbfs is 6"), "{error}");
}

#[test]
fn flags_override_the_environment_and_the_file() {
    let text = "[service]\nroles = ['api']\ncapacity = 5\nlease_seconds = 20\n[queues]\nstreams = 'file'\n";
    let variables = [("REFRAIN_SERVICE_CAPACITY", "7"), ("REFRAIN_SERVICE_ROLES", "index, check")];
    let service = read(text, &variables).unwrap();
    assert_eq!((service.streams.capacity, service.streams.lease), (7, Duration::from_secs(20)));
    assert!(service.roles.index && service.roles.check && !service.roles.api && !service.roles.monitor);
    let settings = resolve(&["demo"], &[("REFRAIN_CONFIG_TOML", text)]).unwrap();
    let flags = settings.service(Some(&[Role::Monitor])).unwrap();
    assert!(flags.roles.monitor && !flags.roles.api);
}

#[test]
fn variables_of_the_replaced_program_have_the_lowest_priority() {
    let compat = [("STREAM_START_QUEUE_URL", "old"), ("STREAM_IDENTIFICATIONS_BUCKET", "old-bucket")];
    let of = |text: &str, more: &[(&str, &str)]| {
        let file = file(text);
        let variables = [&compat[..], more].concat();
        let settings = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &variables).unwrap();
        let sinks = settings.service(None).unwrap().outbox.sinks;
        let buckets: Vec<_> = sinks
            .into_iter()
            .filter_map(
                |sink| if let SinkKind::S3 { bucket, key } = sink.kind { Some((bucket, key)) } else { None },
            )
            .collect();
        (settings.queues().streams.unwrap(), buckets)
    };
    let default_key = "{stream_id}/{file}";
    let pair = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned());
    assert_eq!(of("", &[]), ("old".to_owned(), vec![pair("old-bucket", default_key)]));
    let (queue, buckets) = of("[queues]\nstreams = 'q'\n", &[("REFRAIN_SINK_S3_KEY", "{date}/{file}")]);
    assert_eq!((queue.as_str(), buckets), ("q", vec![pair("old-bucket", "{date}/{file}")]));
    let (_, buckets) = of("[[sinks]]\nkind = 's3'\nname = 'mine'\nbucket = 'b'\n", &[]);
    assert_eq!(buckets, [pair("b", default_key)]);
    let (_, buckets) = of("", &[("REFRAIN_SINK_S3_BUCKET", "new")]);
    assert_eq!(buckets, [pair("new", default_key)]);
}

#[test]
fn streams_of_the_file_can_have_audio_preferences() {
    let text = "[[streams]]\nid = 'a'\nurl = 'http://x'\n[[streams]]\nid = 'b'\nurl = 'http://y'\n\
        rendition = '#1'\nlanguage = 'de-AT'\naudio_pid = 0x101\n";
    let streams = read(text, &[]).unwrap().streams;
    assert_eq!(streams.fixed.len(), 2);
    let track = TrackChoice { pid: Some(0x101), language: Some("de-AT".to_owned()) };
    let wanted = AudioPreferences { rendition: Some(RenditionChoice::Index(1)), track };
    assert_eq!(
        streams.fixed.into_iter().map(|stream| stream.preferences).collect::<Vec<_>>(),
        [AudioPreferences::default(), wanted]
    );
    for (line, message) in [
        ("rendition = '#x'", "\"x\" is not a number"),
        ("language = 'german'", "\"german\" is not a language code"),
        ("audio_pid = 8191", "8191 is not the packet id of an audio stream; use 16 to 8190"),
    ] {
        let text = format!("[[streams]]\nid = 'a'\nurl = 'http://x'\n{line}\n");
        let error = format!("{:#}", read(&text, &[]).map(|_| ()).unwrap_err());
        assert!(error.contains("stream \"a\"") && error.contains(message), "{error}");
    }
}

#[test]
fn variables_create_sinks_and_override_those_of_the_file() {
    let secret = file("hush\r\n");
    let variables = [
        ("REFRAIN_SINK_SNS_TOPIC", "arn:aws:sns:x"),
        ("REFRAIN_SINK_SNS_FORMAT", "song"),
        ("REFRAIN_SINK_WEBHOOK_URL", "https://h.example.org/?token=hush"),
        ("REFRAIN_SINK_WEBHOOK_SECRET_FILE", secret.path().to_str().unwrap()),
        ("REFRAIN_SINK_FOLDER_FROM", "file,live"),
        ("REFRAIN_SINK_STDOUT", "true"),
    ];
    let text =
        "[[sinks]]\nkind = 'folder'\npath = '/a'\n[[sinks]]\nkind = 'folder'\nname = 'b'\npath = '/b'\n";
    let service = read(text, &variables).unwrap();
    let sinks = &service.outbox.sinks;
    let mut names: Vec<_> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["b", "folder", "sns", "stdout", "webhook"]);
    let find = |name: &str| sinks.iter().find(|sink| sink.name == name).unwrap();
    assert_eq!(find("folder").from, [DetectionOrigin::File, DetectionOrigin::Live]);
    assert_eq!(find("b").from, [DetectionOrigin::Live, DetectionOrigin::Archive]);
    assert_eq!(find("sns").format, SinkFormat::Song);
    let SinkKind::Webhook { secret, timeout, .. } = &find("webhook").kind else { panic!("no webhook") };
    assert_eq!(secret.as_ref().unwrap().expose(), "hush");
    assert_eq!(*timeout, Duration::from_secs(10));
    assert!(!format!("{service:?}").contains("hush"), "{service:?}");
    let without = read("[[sinks]]\nkind = 'stdout'\n", &[("REFRAIN_SINK_STDOUT", "false")]);
    assert!(without.unwrap().outbox.sinks.is_empty());
}

#[test]
fn headers_of_the_settings_replace_those_of_the_file() {
    let headers = file("Referer: file\nAuthorization: Bearer hush\n");
    let text = format!(
        "[[streams]]\nid = 'a'\nurl = 'http://x'\nheaders = {{ referer = 'own', Cookie = ['a=1', 'b=2'] }}\n\
         headers_file = '{}'\n",
        headers.path().display()
    );
    let service = read(&text, &[]).unwrap();
    let stream = &service.streams.fixed[0];
    assert_eq!(stream.headers.names(), ["authorization", "cookie", "referer"]);
    let stored = refrain_service::streams::stored_headers(&stream.headers).unwrap();
    let expected = r#"{"authorization":"Bearer hush","cookie":["a=1","b=2"],"referer":"own"}"#;
    assert_eq!(stored.expose(), expected);
    assert!(!format!("{stream:?}").contains("hush"));
    // `refrain monitor` and `identifyStream` use the headers of the entry with the same URL.
    let settings = resolve(&["demo"], &[("REFRAIN_CONFIG_TOML", &text)]).unwrap();
    assert_eq!(settings.headers_of("http://x").unwrap(), stream.headers);
    assert!(settings.headers_of("http://x/other").unwrap().is_empty());
}

#[test]
fn proxies_of_the_environment_are_used_unless_the_settings_name_another_one_or_none() {
    let variables = [("https_proxy", "http://u:hush@p:1"), ("HTTP_PROXY", "q:2"), ("NO_PROXY", "intern")];
    let proxy = |text: &str| read(text, &variables).unwrap().outbox.http.proxy;
    for text in ["", "[network]\nproxy = 'environment'\n"] {
        let found = proxy(text).unwrap();
        let urls = [&found.http, &found.https].map(|url| url.as_ref().unwrap().as_str());
        assert_eq!(urls, ["http://q:2/", "http://u:hush@p:1/"]);
        assert_eq!(found.no_proxy, "localhost,127.0.0.0/8,::1,intern");
        assert!(!format!("{found:?}").contains("hush"));
    }
    assert_eq!(proxy("[network]\nproxy = 'none'\n"), None);
    assert_eq!(read("", &[("NO_PROXY", "intern")]).unwrap().outbox.http.proxy, None);
    let named = proxy("[network]\nproxy = 'r:3'\nno_proxy = 'x'\n").unwrap();
    assert_eq!((named.http.unwrap().as_str(), named.no_proxy.as_str()), ("http://r:3/", "x"));
}

#[test]
fn errors_name_the_setting() {
    let secret = file("x\n");
    let key = format!("[ivs]\nprivate_key_file = '{}'\n", secret.path().display());
    for (text, variables, part) in [
        ("[service]\ncapacity = 5001\n", &[][..], "service.capacity is 5001; use 0 to 5000"),
        ("[service]\nroles = []\n", &[], "service.roles is empty"),
        ("[service]\nname = ''\n", &[], "service.name"),
        ("[service]\nport = 1\n", &[], "line 2 (port)"),
        ("", &[("REFRAIN_SERVICE_ROLES", "api,cook")], "REFRAIN_SERVICE_ROLES: unknown variant `cook`"),
        (
            "",
            &[("REFRAIN_SERVICE_ROLE", "api")],
            "unknown environment variable REFRAIN_SERVICE_ROLE; use one of REFRAIN_SERVICE_CAPACITY",
        ),
        ("", &[("REFRAIN_KEEP_DETECTIONS_DAYS", "many")], "REFRAIN_KEEP_DETECTIONS_DAYS"),
        ("[ivs]\nreconcile_seconds = 10\n", &[], "ivs.reconcile_seconds is 10; use 0, or 30 to 3600"),
        ("[ivs]\ncalls_per_second = nan\n", &[], "ivs.calls_per_second"),
        ("[http]\nlisten = 'here'\n", &[], "http.listen is \"here\""),
        ("[metrics]\nnamespace = ''\n", &[], "metrics.namespace"),
        ("[[streams]]\nid = ''\nurl = 'http://x'\n", &[], "a stream's id is \"\""),
        (
            "[[streams]]\nid = 'a'\nurl = 'ftp://x?hush'\n",
            &[],
            "stream \"a\": the URL of the stream has an unsupported scheme",
        ),
        (
            "[[streams]]\nid = 'a'\nurl = 'http://x'\nheaders = { Host = 'hush' }\n",
            &[],
            "request header host is set by the HTTP client",
        ),
        (
            "[[streams]]\nid = 'a'\nurl = 'http://x'\nheaders_variable = 'NO_SUCH_VARIABLE'\n",
            &[],
            "stream \"a\": cannot read request headers from the environment variable NO_SUCH_VARIABLE",
        ),
        ("[network]\nproxy = 'ftp://hush'\n", &[], "network.proxy is not the URL of an HTTP proxy"),
        (
            "[network]\nproxy = 'environment'\n",
            &[("HTTPS_PROXY", "socks5://hush")],
            "HTTPS_PROXY is not the URL of an HTTP proxy",
        ),
        ("[network]\nca_file = '/no/such/file'\n", &[], "network.ca_file: cannot read /no/such/file"),
        ("[[sinks]]\nname = 'a'\n", &[], "a sink has no kind"),
        ("[[sinks]]\nkind = 's3'\nbucket = 'b'\nkey = '{hour}'\n", &[], "sink \"s3\": key: "),
        ("[[sinks]]\nkind = 's3'\n", &[], "sink \"s3\": bucket is missing"),
        ("[[sinks]]\nkind = 'sns'\ntopic = 't'\npath = '/x'\n", &[], "sinks of kind sns do not support path"),
        (
            "[[sinks]]\nkind = 's3'\nbucket = 'b'\nformat = 'song'\n",
            &[],
            "sinks of kind s3 do not support format \"song\"",
        ),
        ("[[sinks]]\nkind = 'stdout'\nname = 'A b'\n", &[], "a sink's name is \"A b\""),
        ("[[sinks]]\nkind = 'stdout'\n[[sinks]]\nkind = 'stdout'\n", &[], "two sinks have the name"),
        (&key, &[("REFRAIN_IVS_PRIVATE_KEY", "hush")], "both REFRAIN_IVS_PRIVATE_KEY and the file"),
        ("", &[("REFRAIN_HTTP_API_TOKEN_FILE", "/no/such/file")], "cannot read secret /no/such/file"),
    ] {
        let error = read(text, variables).map(|_| ()).unwrap_err();
        let shown = format!("{error:#}");
        assert!(shown.contains(part) && !shown.contains("hush"), "{part:?} is not in {shown}");
    }
    let both = resolve(&["demo"], &[("REFRAIN_CONFIG", "x.toml"), ("REFRAIN_CONFIG_TOML", "jobs = 1")]);
    assert!(both.unwrap_err().to_string().contains("both REFRAIN_CONFIG_TOML"));
    let wrong = resolve(&["demo"], &[("REFRAIN_CONFIG_TOML", "\njobz = 1")]).unwrap_err().to_string();
    assert!(wrong.contains("REFRAIN_CONFIG_TOML is not valid: line 2 (jobz)"), "{wrong}");
    for level in ["loud", "info,refrain_stream=loud"] {
        let settings = resolve(&["demo"], &[("REFRAIN_LOG_LEVEL", level)]).unwrap();
        assert!(settings.log().unwrap_err().to_string().contains("loud"));
    }
}
