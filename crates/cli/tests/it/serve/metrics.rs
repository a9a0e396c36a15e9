//! Tests of machine-readable logs and metrics.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Service;
use crate::support::Sandbox;

/// Parses metrics to values by name and labels. Checks the rules of OpenMetrics that promtool also checks.
pub(super) fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut values, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "TYPE", name, kind] => {
                assert!(matches!(kind, "gauge" | "counter"), "{line}");
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            }
            ["#", "HELP", _, help] => assert!(!help.is_empty(), "{line}"),
            ["#", ..] => panic!("{line}"),
            _ => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let family = name.split('{').next().unwrap();
                assert!(family.starts_with("refrain_"), "{line}");
                let described = match family.strip_suffix("_total") {
                    Some(family) => kinds.get(family).is_some_and(|kind| kind == "counter"),
                    None => kinds.get(family).is_some_and(|kind| kind == "gauge"),
                };
                assert!(described, "{line}");
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(value.is_finite() && values.insert(name.to_owned(), value).is_none(), "{line}");
            }
        }
    }
    values
}

#[test]
fn metrics_are_valid_openmetrics() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "[service]\ncapacity = 7\n", &[], &[]);
    service.wait("/readyz", 200);
    let response = service.get("/metrics");
    assert!(
        response.head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{response:?}"
    );
    let values = parsed(&response.body);
    assert_eq!((values["refrain_ready"], values["refrain_streams_capacity"]), (1.0, 7.0));
    assert_eq!(values["refrain_matches_total"], 0.0);
    assert_eq!(values["refrain_streams_by_state{state=\"no_audio\"}"], 0.0);
    service.end().expect(0);
}

/// Returns the names of the metrics that the alarms and the scaling of template.yml use.
fn wanted() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yml")).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let ours = lines.windows(2).filter(|pair| pair[0] == "Namespace: Refrain");
    ours.map(|pair| pair[1].strip_prefix("MetricName: ").unwrap().to_owned()).collect()
}

#[test]
fn log_and_metrics_are_lines_of_json() {
    let sandbox = Sandbox::new();
    let variables =
        [("REFRAIN_LOG_JSON", "true"), ("REFRAIN_METRICS_EMF", "true"), ("REFRAIN_METRICS_SERVICE", "stack")];
    let mut service = Service::start(&sandbox, "", &[], &variables);
    service.wait("/readyz", 200);
    let output = service.end().expect(0);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|line| line["level"] == "INFO" && line["message"] == "service ready"),
        "{output:#?}"
    );
    // The last value of each metric is written at the end.
    let emf = lines.iter().find(|line| line.get("_aws").is_some()).unwrap();
    let directive = &emf["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &emf["Service"]), (&"Refrain".into(), &"stack".into()));
    assert_eq!(directive["Dimensions"].to_string(), "[[\"Service\"]]");
    let reported: BTreeSet<String> = directive["Metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| metric["Name"].as_str().unwrap().to_owned())
        .collect();
    let wanted = wanted();
    assert!(
        wanted.len() >= 6 && wanted.is_subset(&reported),
        "{wanted:?} are expected, {reported:?} are reported"
    );
    assert!(reported.iter().all(|name| emf[name].is_number()), "{emf}");
}

#[test]
fn log_levels_can_be_set_per_module() {
    let sandbox = Sandbox::new();
    let mut service = Service::start(&sandbox, "[log]\nlevel = 'error'\n", &[], &[]);
    service.wait("/readyz", 200);
    assert_eq!(service.end().expect(0).stderr, "");
    let mut service =
        Service::start(&sandbox, "[log]\nlevel = 'error,refrain_service::serve=debug'\n", &[], &[]);
    service.wait("/readyz", 200);
    let output = service.end().expect(0).stderr_contains("DEBUG part of the service ended");
    assert!(!output.stderr.contains("service starting"), "{output:#?}");
}
