//! What single groups may ask for, and what holds for them.
//!
//! The bounds (`group.consumer.min.…`, `group.share.max.…` and their like) are for what groups ask for, which anybody may set while the
//! broker runs. The broker's own values may lie outside of them: Kafka would
//! ask for the bounds to be moved as well, which would then hold for every group.

use std::ops::RangeInclusive;

use super::share::{self, ShareSettings, set_number};
use super::{ConfigError, GROUP, GroupSettings, Properties, check, group_property};

pub(crate) const ASSIGNMENT: &str = "consumer.assignment.interval.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

/// What holds for a consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConsumerSettings {
    pub session_timeout_ms: i64,
    pub heartbeat_ms: i64,
    /// The least time between two targets.
    pub assignment_interval_ms: i64,
}

/// A group's property with the broker's least and most for it.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    name: &'static str,
    least: &'static str,
    most: &'static str,
    range: RangeInclusive<i64>,
}

/// What groups may ask for, in the order in which Kafka looks at it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bounds(Vec<Bound>);

/// A group's property, and the broker's for its least and its most.
const BOUNDS: [[&str; 3]; 9] = [
    [HEARTBEAT, "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"],
    [SESSION, "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"],
    [ASSIGNMENT, "group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"],
    [share::HEARTBEAT, "group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"],
    [share::SESSION, "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"],
    [share::LOCK, "group.share.min.record.lock.duration.ms", "group.share.max.record.lock.duration.ms"],
    [share::DELIVERIES, "group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"],
    [share::LOCKS, "group.share.min.partition.max.record.locks", "group.share.max.partition.max.record.locks"],
    [share::ASSIGNMENT, "group.share.min.assignment.interval.ms", "group.share.max.assignment.interval.ms"],
];

impl Bounds {
    /// By the broker's properties.
    pub(super) fn new(number: impl Fn(&str) -> i64) -> Result<Self, ConfigError> {
        let bound = |[name, least, most]: [&'static str; 3]| {
            let range = number(least)..=number(most);
            if range.is_empty() {
                return Err(ConfigError::Beside { name: most, relation: "greater than or equal to", other: least });
            }
            Ok(Bound { name, least, most, range })
        };
        Ok(Bounds(BOUNDS.into_iter().map(bound).collect::<Result<_, _>>()?))
    }
}

impl GroupSettings {
    /// Checks everything that is set on a group.
    pub(crate) fn check_group(&self, group: &Properties) -> Result<(), ConfigError> {
        for (name, value) in group {
            check(group_property(name), GROUP.iter(), "group", name, value)?;
        }
        let topic = group.get(share::DEAD_LETTER_TOPIC).map_or("", |topic| topic.trim());
        if !topic.is_empty() && !topic.starts_with(&self.dead_letter_prefix) {
            let reason =
                format!("the names of dead-letter topics begin with {:?} ({})", self.dead_letter_prefix, share::DEAD_LETTER_PREFIX);
            return Err(ConfigError::Invalid { name: share::DEAD_LETTER_TOPIC.to_owned(), value: topic.to_owned(), reason });
        }
        for Bound { name, least, most, range } in &self.bounds.0 {
            let Some(value) = set_number(group, name) else { continue };
            if value < *range.start() {
                return Err(ConfigError::Beside { name, relation: "greater than or equal to", other: least });
            }
            if value > *range.end() {
                return Err(ConfigError::Beside { name, relation: "less than or equal to", other: most });
            }
        }
        let (consumer, shared) = (self.holding(group), self.holding_share(group));
        for (session, timeout_ms, heartbeat, interval_ms) in [
            (SESSION, consumer.session_timeout_ms, HEARTBEAT, consumer.heartbeat_ms),
            (share::SESSION, shared.session_timeout_ms, share::HEARTBEAT, shared.heartbeat_ms),
        ] {
            let is_asked = group.contains_key(session) || group.contains_key(heartbeat);
            if is_asked && timeout_ms <= interval_ms {
                return Err(ConfigError::Beside { name: session, relation: "greater than", other: heartbeat });
            }
        }
        Ok(())
    }

    /// A number that is set on a group, or what is given: it may have been set under other bounds.
    fn number(&self, group: &Properties, name: &str, of_broker: i64) -> i64 {
        let Some(asked) = set_number(group, name) else { return of_broker };
        let bound = self.bounds.0.iter().find(|bound| bound.name == name);
        bound.map_or(asked, |bound| asked.clamp(*bound.range.start(), *bound.range.end()))
    }

    /// What holds for a consumer group on which this is set.
    pub(crate) fn holding(&self, group: &Properties) -> ConsumerSettings {
        ConsumerSettings {
            session_timeout_ms: self.number(group, SESSION, self.consumer.session_timeout_ms),
            heartbeat_ms: self.number(group, HEARTBEAT, self.consumer.heartbeat_ms),
            assignment_interval_ms: self.number(group, ASSIGNMENT, self.consumer.assignment_interval_ms),
        }
    }

    /// What holds for a share group on which this is set.
    pub(crate) fn holding_share(&self, group: &Properties) -> ShareSettings {
        self.share.of_group(group, |name, of_broker| self.number(group, name, of_broker))
    }
}

#[cfg(test)]
mod tests {
    use super::super::BrokerSettings;
    use super::*;

    fn properties(values: &[(&str, &str)]) -> Properties {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_broker_gives_to_all_is_not_what_groups_may_ask_for() {
        let broker = properties(&[("group.consumer.heartbeat.interval.ms", "50"), ("group.consumer.session.timeout.ms", "6000")]);
        let settings = BrokerSettings::new(broker).unwrap().groups;
        assert_eq!(settings.check_group(&Properties::new()), Ok(()));
        let refusal = |values: &[(&str, &str)]| settings.check_group(&properties(values)).unwrap_err().to_string();
        let sentence = "consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms";
        assert_eq!(refusal(&[(HEARTBEAT, "50")]), sentence);
        let sentence = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
        assert_eq!(refusal(&[(HEARTBEAT, "6000")]), sentence, "beside the broker's session timeout");
        assert_eq!(settings.check_group(&properties(&[(HEARTBEAT, "6000"), (SESSION, "45000")])), Ok(()));
    }

    #[test]
    fn bounds_that_allow_nothing_are_refused() {
        let refused = BrokerSettings::new(properties(&[("group.consumer.min.session.timeout.ms", "60001")])).unwrap_err();
        let sentence = "group.consumer.max.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms";
        assert_eq!(refused.to_string(), sentence);
    }
}
