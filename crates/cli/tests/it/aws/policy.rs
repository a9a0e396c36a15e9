//! Tests of the service and of `doctor` with the permissions of the template's task role, which moto enforces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use refrain_testkit::channels::Ivs;
use refrain_testkit::{AccessKey, Moto};
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;

use super::cloud::{arn, created_in, event, wait_until};
use crate::serve::Service;
use crate::stage::Stage;
use crate::support::{CommandOutput, Sandbox, music};

/// Visibility timeout of the queues in seconds.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 30;

const SOURCE: &str = "source";
const RESULTS: &str = "results";

/// IAM actions by the methods of the SDK that `crates/aws` calls.
const ACTIONS: [(&str, &str); 18] = [
    ("head_object", "s3:GetObject"),
    ("get_object", "s3:GetObject"),
    ("get_object_tagging", "s3:GetObjectTagging"),
    ("put_object", "s3:PutObject"),
    ("delete_object", "s3:DeleteObject"),
    ("list_objects_v2", "s3:ListBucket"),
    ("receive_message", "sqs:ReceiveMessage"),
    ("delete_message", "sqs:DeleteMessage"),
    ("delete_message_batch", "sqs:DeleteMessage"),
    ("change_message_visibility", "sqs:ChangeMessageVisibility"),
    ("change_message_visibility_batch", "sqs:ChangeMessageVisibility"),
    ("send_message", "sqs:SendMessage"),
    ("get_queue_attributes", "sqs:GetQueueAttributes"),
    ("publish", "sns:Publish"),
    ("get_topic_attributes", "sns:GetTopicAttributes"),
    ("get_stream", "ivs:GetStream"),
    ("list_streams", "ivs:ListStreams"),
    ("get_channel", "ivs:GetChannel"),
];

/// A simulated cloud, whose resources have the names with which the policy is resolved.
struct Cloud {
    moto: Moto,
    ivs: Ivs,
    topic: String,
    queues: BTreeMap<&'static str, String>,
}

impl Cloud {
    async fn new() -> Self {
        let moto = Moto::start().unwrap_or_else(|error| panic!("{error}"));
        [SOURCE, RESULTS].into_iter().for_each(|bucket| moto.make_bucket(bucket).unwrap());
        let queue = |name| (name, moto.make_queue(name, VISIBILITY_TIMEOUT_SECONDS).unwrap().0);
        let queues = ["streams", "medialive", "check", "index"].map(queue).into();
        let topic = moto.make_topic("songs").unwrap();
        Self { moto, ivs: Ivs::start().await.unwrap(), topic, queues }
    }

    fn settings(&self) -> String {
        let url = self.moto.url();
        let queues: String = self.queues.iter().map(|(name, url)| format!("{name} = '{url}'\n")).collect();
        format!(
            "[aws]\nregion = 'eu-west-1'\nendpoint_url = '{url}'\nendpoint_url_ivs = '{}'\n[queues]\n{queues}\
             [bucket]\nsource = '{SOURCE}'\n[monitor]\nallow_private_addresses = true\n[ivs]\ncalls_per_second = 100.0\n\
             [outbox]\nlongest_pause_seconds = 1\n\
             [[sinks]]\nkind = 's3'\nbucket = '{RESULTS}'\nkey = 'live/{{stream_id}}/{{detection}}'\n\
             [[sinks]]\nkind = 'sns'\ntopic = '{}'\nformat = 'song'\n",
            self.ivs.url(),
            self.topic,
        )
    }

    /// Returns the policy of the task role, with the resource names of this cloud.
    fn policy(&self) -> Value {
        let policy = task_role()["Properties"]["Policies"][0]["PolicyDocument"].clone();
        let mut policy = resolved(&policy, &|name| self.name(name));
        for statement in policy["Statement"].as_array_mut().unwrap() {
            let mut actions = actions_of(statement);
            // moto compares the names of the SDK's calls; IAM has no actions for batches.
            for action in ["sqs:DeleteMessage", "sqs:ChangeMessageVisibility"] {
                if actions.contains(action) {
                    actions.insert(format!("{action}Batch"));
                }
            }
            // moto does not support resources of SNS in policies.
            if actions.iter().any(|action| action.starts_with("sns:")) {
                statement["Resource"] = "*".into();
            }
            statement["Action"] = actions.into_iter().collect();
        }
        policy
    }

    fn name(&self, name: &str) -> String {
        let queue = |name: &str| format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
        match name {
            "SourceBucket.Arn" => format!("arn:aws:s3:::{SOURCE}"),
            "ResultsBucket.Arn" => format!("arn:aws:s3:::{RESULTS}"),
            "NotificationTopic" => self.topic.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => "eu-west-1".to_owned(),
            "AWS::AccountId" => "123456789012".to_owned(),
            name => {
                let (resource, kind) = name.split_once('.').unwrap_or((name, ""));
                assert_eq!(kind, "Arn", "unknown resource {name}");
                let dead = resource.ends_with("DeadLetters");
                let short = resource.trim_end_matches("DeadLetters").trim_end_matches("Queue");
                let short = if short == "Stream" { "streams".to_owned() } else { short.to_lowercase() };
                queue(&if dead { format!("{short}-dead") } else { short })
            }
        }
    }

    fn user(&self, name: &str, policy: &Value) -> AccessKey {
        self.moto.make_user(name, &policy.to_string()).unwrap()
    }

    fn doctor(&self, sandbox: &Sandbox, key: &AccessKey) -> CommandOutput {
        let config = sandbox.file("doctor.toml", self.settings());
        let catalog = sandbox.catalog();
        let mut command =
            sandbox.command(&["--config", config.to_str().unwrap(), "--catalog", &catalog, "doctor"]);
        CommandOutput::from(command.envs(environment(key)).output().unwrap())
    }
}

fn environment(key: &AccessKey) -> [(&str, &str); 2] {
    [("AWS_ACCESS_KEY_ID", &key.id), ("AWS_SECRET_ACCESS_KEY", &key.secret)]
}

fn task_role() -> Yaml {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yml");
    let template: Yaml = serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    template["Resources"]["TaskRole"].clone()
}

/// Resolves `!GetAtt`, `!Ref` and `!Sub` with the names that `name` returns.
fn resolved(value: &Yaml, name: &dyn Fn(&str) -> String) -> Value {
    match value {
        Yaml::Tagged(tagged) => {
            let text = tagged.value.as_str().unwrap_or_else(|| panic!("{tagged:?}"));
            match tagged.tag.to_string().as_str() {
                "!GetAtt" | "!Ref" => name(text),
                "!Sub" => {
                    let mut parts = text.split("${");
                    let first = parts.next().unwrap().to_owned();
                    parts.fold(first, |text, part| {
                        let (inner, rest) = part.split_once('}').unwrap();
                        text + &name(inner) + rest
                    })
                }
                tag => panic!("{tag} in a policy"),
            }
            .into()
        }
        Yaml::Mapping(pairs) => pairs
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), resolved(value, name)))
            .collect(),
        Yaml::Sequence(values) => values.iter().map(|value| resolved(value, name)).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

fn actions_of(statement: &Value) -> BTreeSet<String> {
    match &statement["Action"] {
        Value::String(action) => BTreeSet::from([action.clone()]),
        actions => {
            actions.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect()
        }
    }
}

/// Returns a WAV file with a part of a song.
fn clip(sandbox: &Sandbox) -> Vec<u8> {
    std::fs::read(sandbox.clip("clip.wav", &music().known[0], 5.0, 10.0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn template_policy_allows_all_calls_of_the_service() {
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (live, url) = stage.live(3);
    let key = cloud.user("task", &cloud.policy());
    let channel = arn("policy");
    cloud.ivs.add_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-policy");
    cloud.moto.send(&cloud.queues["streams"], &event("Stream Start", &channel, "st-policy")).unwrap();
    cloud.moto.send(&cloud.queues["medialive"], "<html>no event</html>").unwrap();
    let bytes = clip(&stage.sandbox);
    for (queue, object) in [("check", "songs_to_check/mix.wav"), ("index", "songs_to_index/song.wav")] {
        cloud.moto.put(SOURCE, object, &bytes).unwrap();
        cloud.moto.send(&cloud.queues[queue], &created_in(SOURCE, object, bytes.len())).unwrap();
    }
    cloud.moto.enforce_policies(true).unwrap();
    let mut service = Service::start(&stage.sandbox, &cloud.settings(), &[], &environment(&key));
    service.wait("/readyz", 200);
    stage.joined().await;
    live.publish(stage.clips.len() as u64 - 3);
    live.change(|options| options.end = true);
    // The start and the final of a detection have the same key. The second write is rejected; the service then reads the first
    // object and appends a number to the key.
    let delivered = || {
        let output =
            service.command(&["outbox", "list", "--status", "delivered", "--sink", "s3", "--json"]).expect(0);
        Some(output.stdout.lines().count()).filter(|count| *count >= 4)
    };
    wait_until("four results", delivered).await;
    let empty = || {
        let output = service.command(&["outbox", "list", "--json"]).expect(0);
        output.stdout.trim().is_empty().then_some(())
    };
    wait_until("an empty outbox", empty).await;
    cloud.moto.enforce_policies(false).unwrap();
    wait_until("a report", || cloud.moto.get(SOURCE, "songs_to_check/mix.json").unwrap()).await;
    for name in ["streams", "medialive", "check", "index"] {
        let url = &cloud.queues[name];
        wait_until(name, || (cloud.moto.depth(url).unwrap() == (0, 0)).then_some(())).await;
    }
    assert_eq!(cloud.moto.depth(&format!("{}-dead", cloud.queues["medialive"])).unwrap(), (1, 0));
    let keys = cloud.moto.keys(RESULTS, "live/st-policy/").unwrap();
    assert!(keys.len() == 4 && keys.iter().any(|key| key.ends_with("_2")), "{keys:?}");
    assert_eq!(cloud.moto.denied().unwrap(), Vec::<String>::new());
    service.end().expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_every_missing_permission() {
    let (sandbox, cloud) = (Sandbox::with_catalog(), Cloud::new().await);
    let full_policy = cloud.policy();
    let mut users = Vec::new();
    for (index, statement) in full_policy["Statement"].as_array().unwrap().iter().enumerate() {
        // moto does not simulate IVS, so that its permissions are not enforced.
        let tested = |action: &String| !action.starts_with("ivs:") && !action.ends_with("Batch");
        for action in actions_of(statement).into_iter().filter(tested) {
            let mut policy = full_policy.clone();
            let mut remaining = actions_of(statement);
            remaining.remove(&action);
            remaining.insert("none:Nothing".to_owned());
            policy["Statement"][index]["Action"] = remaining.into_iter().collect();
            let key = cloud.user(&format!("user-{}", users.len()), &policy);
            users.push((format!("{} without {action}", statement["Sid"]), action, key));
        }
    }
    let all = cloud.user("all", &full_policy);
    cloud.moto.enforce_policies(true).unwrap();
    let fine = cloud.doctor(&sandbox, &all);
    assert!(!fine.stdout.contains("FAIL") && !fine.stdout.contains("Denied"), "{fine:#?}");
    assert!(fine.stdout.matches("wrote, read and deleted a test object").count() == 2, "{fine:#?}");
    for (name, action, key) in &users {
        let output = cloud.doctor(&sandbox, key);
        let named = output
            .stdout
            .lines()
            .filter(|line| !line.starts_with("ok"))
            .any(|line| line.contains(action.as_str()));
        assert!(output.status != Some(0) && named, "{name}: {output:#?}");
    }
    cloud.moto.enforce_policies(false).unwrap();
    for queue in cloud.queues.values() {
        assert_eq!(
            cloud.moto.depth(&format!("{queue}-dead")).unwrap(),
            (0, 0),
            "doctor must not send messages"
        );
    }
}

#[test]
fn template_policy_contains_exactly_the_called_actions() {
    let allowed = resolved(&task_role()["Properties"]["Policies"][0]["PolicyDocument"], &str::to_owned);
    let allowed: BTreeSet<String> =
        allowed["Statement"].as_array().unwrap().iter().flat_map(actions_of).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aws/src");
    let mut needed = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text: String = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let text: String = text.split_whitespace().collect();
        for call in text.split(".client.").skip(1) {
            let method = call.split('(').next().unwrap();
            let action = ACTIONS.iter().find(|(known, _)| *known == method);
            needed.insert(action.unwrap_or_else(|| panic!("{method} is missing in ACTIONS")).1.to_owned());
        }
    }
    assert_eq!(allowed, needed);
}
