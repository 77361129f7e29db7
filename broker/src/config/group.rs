//! What single groups may ask for, and what holds for them.
//!
//! The bounds (`group.consumer.min.…`, `group.consumer.max.…`) are for what groups ask for, which anybody may set while the
//! broker runs. The broker's own values may lie outside of them: Kafka would
//! ask for the bounds to be moved as well, which would then hold for every group.

use std::ops::RangeInclusive;

use super::{ConfigError, GROUP, GroupSettings, Properties, check, group_property, long};

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
pub(crate) struct Bounds([Bound; 3]);

impl Bounds {
    /// By the broker's properties.
    pub(super) fn new(number: impl Fn(&str) -> i64) -> Result<Self, ConfigError> {
        let bound = |name, least, most| {
            let range = number(least)..=number(most);
            if range.is_empty() {
                return Err(ConfigError::Beside { name: most, relation: "greater than or equal to", other: least });
            }
            Ok(Bound { name, least, most, range })
        };
        Ok(Bounds([
            bound(HEARTBEAT, "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms")?,
            bound(SESSION, "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms")?,
            bound(ASSIGNMENT, "group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms")?,
        ]))
    }
}

impl GroupSettings {
    /// Checks everything that is set on a group.
    pub(crate) fn check_group(&self, group: &Properties) -> Result<(), ConfigError> {
        for (name, value) in group {
            check(group_property(name), GROUP.iter(), "group", name, value)?;
        }
        for Bound { name, least, most, range } in &self.consumer_bounds.0 {
            let Some(value) = group.get(*name).map(|value| long(value)) else { continue };
            if value < *range.start() {
                return Err(ConfigError::Beside { name, relation: "greater than or equal to", other: least });
            }
            if value > *range.end() {
                return Err(ConfigError::Beside { name, relation: "less than or equal to", other: most });
            }
        }
        let holding = self.holding(group);
        let is_asked = group.contains_key(SESSION) || group.contains_key(HEARTBEAT);
        if is_asked && holding.session_timeout_ms <= holding.heartbeat_ms {
            return Err(ConfigError::Beside { name: SESSION, relation: "greater than", other: HEARTBEAT });
        }
        Ok(())
    }

    /// What holds for a group on which this is set: it may have been set under other bounds.
    pub(crate) fn holding(&self, group: &Properties) -> ConsumerSettings {
        let value = |name: &str, of_broker: i64| {
            let Some(asked) = group.get(name).map(|value| long(value)) else { return of_broker };
            let bound = self.consumer_bounds.0.iter().find(|bound| bound.name == name);
            bound.map_or(asked, |bound| asked.clamp(*bound.range.start(), *bound.range.end()))
        };
        ConsumerSettings {
            session_timeout_ms: value(SESSION, self.consumer.session_timeout_ms),
            heartbeat_ms: value(HEARTBEAT, self.consumer.heartbeat_ms),
            assignment_interval_ms: value(ASSIGNMENT, self.consumer.assignment_interval_ms),
        }
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
