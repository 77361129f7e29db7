//! The properties of single groups: who may set what, where values come from, and from when on until when they hold.

use millstream_protocol::message::alter_configs::{AlterConfigsRequest, AlterConfigsResource, AlterableConfig};
use millstream_protocol::message::delete_groups::DeleteGroupsRequest;
use millstream_protocol::message::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::list_config_resources::ListConfigResourcesRequest;

use super::groups::{beating, joining};
use super::*;

/// A change: what, how, to which value.
type Change<'a> = (&'a str, i8, Option<&'a str>);

const GROUP: i8 = 32;
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Groups may have short sessions; the broker's own interval is Kafka's.
const PROPERTIES: &[(&str, &str)] = &[("group.consumer.min.session.timeout.ms", "1000"), ("group.consumer.heartbeat.interval.ms", "5000")];

fn open(disk: &SimulatedDisk, clock: &Clock) -> World {
    World::open_with(disk, clock, PROPERTIES)
}

impl World {
    async fn alter_as(&self, group: &str, changes: &[Change<'_>], validate_only: bool) -> Result<(), (ErrorCode, String)> {
        let config = |(name, config_operation, value): &Change<'_>| IncrementalAlterableConfig {
            name: (*name).into(),
            config_operation: *config_operation,
            value: value.map(Into::into),
        };
        let configs = changes.iter().map(config).collect();
        let resources = vec![IncrementalAlterConfigsResource { resource_type: GROUP, resource_name: group.into(), configs }];
        let request = IncrementalAlterConfigsRequest { resources, validate_only };
        let Response::IncrementalAlterConfigs(answer) = self.ask(1, request).await else { panic!() };
        let altered = &answer.responses[0];
        assert_eq!((altered.resource_type, altered.resource_name.as_str()), (GROUP, group));
        if altered.error_code.is_none() {
            return Ok(());
        }
        Err((altered.error_code, altered.error_message.as_ref().map(ToString::to_string).unwrap_or_default()))
    }

    async fn alter(&self, group: &str, changes: &[Change<'_>]) -> Result<(), (ErrorCode, String)> {
        self.alter_as(group, changes, false).await
    }

    pub(super) async fn set(&self, group: &str, name: &str, value: &str) {
        self.alter(group, &[(name, SET, Some(value))]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    }

    async fn described(&self, group: &str) -> DescribeConfigsResult {
        let resources = vec![DescribeConfigsResource { resource_type: GROUP, resource_name: group.into(), ..Default::default() }];
        let request = DescribeConfigsRequest { resources, include_synonyms: true, ..Default::default() };
        let Response::DescribeConfigs(mut answer) = self.ask(4, request).await else { panic!() };
        answer.results.remove(0)
    }

    /// A property's value and every place that it could come from: name, value and source.
    async fn value(&self, group: &str, name: &str) -> (String, Vec<(String, String, i8)>) {
        let described = self.described(group).await;
        assert!(described.error_code.is_none());
        let entry = described.configs.iter().find(|entry| entry.name == name).expect("is described");
        let text = |value: &Option<millstream_protocol::Str>| value.as_ref().map(ToString::to_string).unwrap_or_default();
        let synonyms: Vec<_> = entry.synonyms.iter().map(|place| (place.name.to_string(), text(&place.value), place.source)).collect();
        assert_eq!((entry.config_source, entry.read_only), (synonyms[0].2, false));
        (text(&entry.value), synonyms)
    }

    async fn configured(&self) -> Vec<String> {
        let request = ListConfigResourcesRequest { resource_types: vec![GROUP, GROUP] };
        let Response::ListConfigResources(answer) = self.ask(1, request).await else { panic!() };
        answer.config_resources.iter().map(|resource| resource.resource_name.to_string()).collect()
    }
}

#[tokio::test]
async fn what_is_set_on_a_group_outlives_it_and_the_process() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let mut world = open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let of_all = ("group.consumer.session.timeout.ms".to_owned(), "45000".to_owned(), 5);
    assert_eq!(world.value("g", SESSION).await, ("45000".into(), vec![of_all.clone()]), "no such group");
    assert!(world.configured().await.is_empty());
    world.set("g", SESSION, " 46000").await;
    let own = (SESSION.to_owned(), "46000".to_owned(), 8);
    for _ in 0..2 {
        assert_eq!(world.value("g", SESSION).await, ("46000".into(), vec![own.clone(), of_all.clone()]));
        assert_eq!(world.value("other", SESSION).await.0, "45000");
        assert_eq!(world.configured().await, ["g"]);
        world.epoch(joining("g", "m", &["a"])).await;
        world.epoch(beating("g", "m", -1)).await;
        let Response::DeleteGroups(answer) = world.ask(2, DeleteGroupsRequest { groups_names: vec!["g".into()] }).await else { panic!() };
        assert!(answer.results[0].error_code.is_none());
        drop(world);
        world = open(&disk, &clock);
    }
    world.alter("g", &[(SESSION, DELETE, None)]).await.expect("deletes");
    for _ in 0..2 {
        assert_eq!(world.value("g", SESSION).await, ("45000".into(), vec![of_all.clone()]));
        assert!(world.configured().await.is_empty());
        drop(world);
        world = open(&disk, &clock);
    }
}

#[tokio::test]
async fn groups_may_not_have_everything() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    let refused: &[(&[Change<'_>], ErrorCode, &str)] = &[
        (
            &[(SESSION, SET, Some("999"))],
            ErrorCode::INVALID_CONFIG,
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            &[(SESSION, SET, Some("60001"))],
            ErrorCode::INVALID_CONFIG,
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
        ),
        (
            &[(SESSION, SET, Some("5000"))],
            ErrorCode::INVALID_CONFIG,
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        ),
        (
            &[(SESSION, SET, Some("soon"))],
            ErrorCode::INVALID_CONFIG,
            "Invalid value soon for configuration consumer.session.timeout.ms: Not a number of type INT",
        ),
        (
            &[(SESSION, SET, Some("0"))],
            ErrorCode::INVALID_CONFIG,
            "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1",
        ),
        (&[("nope", SET, Some("1"))], ErrorCode::INVALID_CONFIG, "Unknown group config name: nope"),
        (&[("streams.session.timeout.ms", SET, Some("50000"))], ErrorCode::INVALID_CONFIG, "Unknown group config name: streams."),
        (&[("retention.ms", SET, Some("1"))], ErrorCode::INVALID_CONFIG, "Unknown group config name: retention.ms"),
        (&[(SESSION, APPEND, Some("50000"))], ErrorCode::INVALID_CONFIG, "Can't APPEND to key consumer.session.timeout.ms because"),
        (&[(SESSION, SUBTRACT, Some("50000"))], ErrorCode::INVALID_CONFIG, "Can't SUBTRACT"),
        (&[(SESSION, SET, None)], ErrorCode::INVALID_REQUEST, "Null value not supported for : consumer.session.timeout.ms"),
        // All of it or nothing.
        (&[(SESSION, SET, Some("50000")), (HEARTBEAT, SET, Some("99"))], ErrorCode::INVALID_CONFIG, "consumer.heartbeat.interval.ms must"),
    ];
    for (changes, code, sentence) in refused {
        let (found, said) = world.alter("g", changes).await.expect_err("is refused");
        assert!(found == *code && said.starts_with(sentence), "{found}: {said}");
    }
    let (code, said) = world.alter("", &[(SESSION, SET, Some("50000"))]).await.expect_err("is refused");
    assert_eq!((code, said.as_str()), (ErrorCode::INVALID_REQUEST, "Default group resources are not allowed."));
    let described = world.described("").await;
    assert_eq!(described.error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(described.error_message.as_deref(), Some("Group name must not be empty"));
    world.alter_as("g", &[(SESSION, SET, Some("50000"))], true).await.expect("would be");
    world.alter("g", &[("nope", DELETE, None), (SESSION, DELETE, None)]).await.expect("is not there anyway");
    assert!(world.configured().await.is_empty());
    assert_eq!(world.value("g", SESSION).await.0, "45000");
    // One that is right beside what is set already.
    world.set("g", HEARTBEAT, "900").await;
    world.set("g", SESSION, "1000").await;
    assert!(world.alter("g", &[(HEARTBEAT, DELETE, None)]).await.is_err(), "the broker's is longer than the session");
}

#[tokio::test]
async fn the_old_request_replaces_everything() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.set("g", SESSION, "46000").await;
    for (configs, expected) in [(vec![(HEARTBEAT, "6000")], vec!["g"]), (Vec::new(), Vec::new())] {
        let config = |(name, value): (&str, &str)| AlterableConfig { name: name.into(), value: Some(value.into()) };
        let configs = configs.into_iter().map(config).collect();
        let resources = vec![AlterConfigsResource { resource_type: GROUP, resource_name: "g".into(), configs }];
        let Response::AlterConfigs(answer) = world.ask(2, AlterConfigsRequest { resources, validate_only: false }).await else { panic!() };
        assert!(answer.responses[0].error_code.is_none());
        assert_eq!(world.configured().await, expected);
        assert_eq!(world.value("g", SESSION).await.0, "45000");
    }
}

#[tokio::test]
async fn properties_hold_from_the_next_heartbeat_on() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 1, &[]).await;
    let told = world.heartbeat(joining("g", "m", &["a"])).await;
    assert_eq!(told.heartbeat_interval_ms, 100, "others may be about to join");
    clock.advance_ms(1000);
    let told = world.heartbeat(beating("g", "m", told.member_epoch)).await;
    assert_eq!(told.heartbeat_interval_ms, 5000, "nothing has changed for a while");
    world.alter("g", &[(SESSION, SET, Some("2000")), (HEARTBEAT, SET, Some("500"))]).await.expect("sets");
    clock.advance_ms(2001);
    world.tend().await;
    let told = world.heartbeat(beating("g", "m", told.member_epoch)).await;
    assert_eq!((told.error_code, told.heartbeat_interval_ms), (ErrorCode::NONE, 500), "its session was the old one");
    clock.advance_ms(2001);
    world.tend().await;
    assert!(world.describe("g").await.members.is_empty());
    // Whoever was there before a restart has the session of the group after it.
    world.epoch(joining("g", "m", &["a"])).await;
    world.set("g", SESSION, "3000").await;
    drop(world);
    let world = open(&disk, &clock);
    clock.advance_ms(2999);
    world.tend().await;
    assert_eq!(world.describe("g").await.members.len(), 1);
    clock.advance_ms(2);
    world.tend().await;
    assert!(world.describe("g").await.members.is_empty());
}

#[tokio::test]
async fn members_of_a_large_group_come_less_often() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open_with(&disk, &clock, &[("group.consumer.min.session.timeout.ms", "1000")]);
    world.create("a", 1, &[]).await;
    for member in 0..400 {
        assert_eq!(world.heartbeat(joining("g", &format!("m-{member}"), &["a"])).await.heartbeat_interval_ms, 100.max(member + 1).min(300));
    }
    clock.advance_ms(1000);
    world.create("b", 1, &[]).await;
    assert_eq!(world.heartbeat(joining("h", "m", &["b"])).await.heartbeat_interval_ms, 100);
    clock.advance_ms(1000);
    assert_eq!(world.heartbeat(beating("h", "m", 2)).await.heartbeat_interval_ms, 300);
    let epoch = world.describe("g").await.group_epoch;
    let told = world.heartbeat(beating("g", "m-399", epoch)).await;
    assert_eq!((told.error_code, told.heartbeat_interval_ms), (ErrorCode::NONE, 400));
    world.set("g", SESSION, "1000").await;
    assert_eq!(world.heartbeat(beating("g", "m-399", epoch)).await.heartbeat_interval_ms, 333, "in time for its session");
}

#[tokio::test]
async fn what_was_set_within_other_bounds_holds_as_far_as_it_may() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.create("a", 1, &[]).await;
    world.alter("g", &[(SESSION, SET, Some("1000")), (HEARTBEAT, SET, Some("100"))]).await.expect("sets");
    drop(world);
    let bounds = [("group.consumer.min.session.timeout.ms", "45000"), ("group.consumer.min.heartbeat.interval.ms", "250")];
    let world = World::open_with(&disk, &clock, &bounds);
    assert_eq!(world.value("g", HEARTBEAT).await.0, "100", "as it was set");
    let told = world.heartbeat(joining("g", "m", &["a"])).await;
    clock.advance_ms(1000);
    let told = world.heartbeat(beating("g", "m", told.member_epoch)).await;
    assert_eq!(told.heartbeat_interval_ms, 250);
    clock.advance_ms(44_999);
    world.tend().await;
    assert_eq!(world.describe("g").await.members.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_set() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = open(&disk, &clock);
    world.set("g", SESSION, "46000").await;
    disk.fail_at(0, Fault::NoSpace);
    assert!(world.alter("g", &[(SESSION, SET, Some("47000"))]).await.is_err());
    assert_eq!(world.value("g", SESSION).await.0, "46000");
    world.set("g", SESSION, "48000").await;
    drop(world);
    assert_eq!(open(&disk, &clock).value("g", SESSION).await.0, "48000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_set_wherever_the_power_goes() {
    for seed in 0..40u64 {
        let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
        let world = open(&disk, &clock);
        world.set("g", SESSION, "45000").await;
        disk.fail_at(seed, Fault::PowerCut);
        let (mut answered, mut tried) = (45_000, 45_000);
        for value in 45_001..45_060 {
            tried = value;
            if world.alter("g", &[(SESSION, SET, Some(&value.to_string()))]).await.is_err() {
                break;
            }
            answered = value;
        }
        drop(world);
        disk.crash(seed);
        let after: i32 = open(&disk, &clock).value("g", SESSION).await.0.parse().expect("a number");
        assert!((answered..=tried).contains(&after), "seed {seed}: {answered} was answered, {after} is there");
    }
}

#[tokio::test]
async fn what_share_groups_may_ask_for_is_kafkas() {
    let (disk, clock) = (SimulatedDisk::new(), Clock::manual(NOW_MS));
    let world = World::open(&disk, &clock);
    let described = world.described("g").await;
    let told: Vec<(&str, &str)> =
        described.configs.iter().map(|entry| (entry.name.as_str(), entry.value.as_deref().unwrap_or(""))).collect();
    let shared: Vec<_> = told.into_iter().filter(|(name, _)| name.starts_with("share.")).collect();
    let expected = [
        ("share.assignment.interval.ms", "0"),
        ("share.auto.offset.reset", "latest"),
        ("share.delivery.count.limit", "5"),
        ("share.heartbeat.interval.ms", "5000"),
        ("share.isolation.level", "read_uncommitted"),
        ("share.partition.max.record.locks", "2000"),
        ("share.record.lock.duration.ms", "30000"),
        ("share.renew.acknowledge.enable", "true"),
        ("share.session.timeout.ms", "45000"),
    ];
    assert_eq!(shared, expected);
    for (name, value) in [
        ("share.assignment.interval.ms", "15000"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
        ("share.delivery.count.limit", "10"),
        ("share.isolation.level", "read_committed"),
        ("share.partition.max.record.locks", "4000"),
        ("share.record.lock.duration.ms", "60000"),
        ("share.renew.acknowledge.enable", "false"),
    ] {
        world.set("g", name, value).await;
        assert_eq!(world.value("g", name).await.0, value);
    }
    world.set("g", "share.renew.acknowledge.enable", " TRUE").await;
    assert_eq!(world.value("g", "share.renew.acknowledge.enable").await.0, "true");
    for (name, value, reason) in [
        ("share.session.timeout.ms", "60001", "share.session.timeout.ms must be less than or equal to group.share.max.session.timeout.ms"),
        (
            "share.heartbeat.interval.ms",
            "4999",
            "share.heartbeat.interval.ms must be greater than or equal to group.share.min.heartbeat.interval.ms",
        ),
        (
            "share.record.lock.duration.ms",
            "14999",
            "share.record.lock.duration.ms must be greater than or equal to group.share.min.record.lock.duration.ms",
        ),
        (
            "share.delivery.count.limit",
            "11",
            "share.delivery.count.limit must be less than or equal to group.share.max.delivery.count.limit",
        ),
        (
            "share.partition.max.record.locks",
            "99",
            "Invalid value 99 for configuration share.partition.max.record.locks: Value must be at least 100",
        ),
        (
            "share.assignment.interval.ms",
            "15001",
            "share.assignment.interval.ms must be less than or equal to group.share.max.assignment.interval.ms",
        ),
        (
            "share.isolation.level",
            "none",
            "Invalid value none for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted",
        ),
        (
            "share.auto.offset.reset",
            "none",
            "Invalid value none for configuration share.auto.offset.reset: Invalid value `none` for configuration share.auto.offset.reset. \
             The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ] {
        assert_eq!(world.alter("g", &[(name, SET, Some(value))]).await, Err((ErrorCode::INVALID_CONFIG, reason.to_owned())));
    }
}
