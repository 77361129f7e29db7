//! What a property is: its name, its type, its default, who may change it when, and what it does.

use super::share::ShareOffsetReset;

/// The type of a value, with its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// The name of a Java class.
    Class,
    /// A secret.
    Password,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, separated by commas.
    List(&'static [&'static str]),
    /// Any words, separated by commas.
    Words,
    /// `*`, or partitions with brokers, as `0:1,1:1`.
    Replicas,
    /// `latest`, `earliest`, or `by_duration:` with a duration of ISO 8601.
    OffsetReset,
    /// 16 bits.
    Short,
    /// 32 bits, at least this.
    Int(i64),
    /// 32 bits, from this to that.
    Between(i64, i64),
    /// A level of gzip: −1, or 1 to 9.
    GzipLevel,
    /// 64 bits, at least this.
    Long(i64),
    /// A share from 0 to 1.
    Ratio,
    /// Any number.
    Double,
}

impl Kind {
    /// Checks a value; the error is Kafka's sentence where it has one.
    pub fn check(self, value: &str) -> Result<(), String> {
        let value = value.trim();
        let within = |least: i64, most: i64, number: i64| match number {
            number if number < least => Err(format!("Value must be at least {least}")),
            number if number > most => Err(format!("Value must be no more than {most}")),
            _ => Ok(()),
        };
        let int = || value.parse::<i32>().map(i64::from).map_err(|_| "Not a number of type INT".to_owned());
        match self {
            Kind::Text | Kind::Class | Kind::Password | Kind::Words => Ok(()),
            Kind::Boolean if matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => Ok(()),
            Kind::Boolean => Err("Expected value to be either true or false".into()),
            Kind::Choice(words) if words.contains(&value) => Ok(()),
            Kind::Choice(words) => Err(format!("String must be one of: {}", words.join(", "))),
            Kind::List(_) if value.is_empty() => Ok(()),
            Kind::List(words) => match value.split(',').map(str::trim).find(|word| !words.contains(word)) {
                Some("") => Err("values must not be empty".into()),
                Some(_) => Err(format!("String must be one of: {}", words.join(", "))),
                None => Ok(()),
            },
            Kind::Replicas => check_replicas(value),
            Kind::OffsetReset => ShareOffsetReset::read(value).map(drop),
            Kind::Short => value.parse::<i16>().map(drop).map_err(|_| "Not a number of type SHORT".into()),
            Kind::Int(least) => within(least, i64::MAX, int()?),
            Kind::Between(least, most) => within(least, most, int()?),
            Kind::GzipLevel => match int()? {
                -1 | 1..=9 => Ok(()),
                _ => Err("Value must be between 1 and 9 or equal to -1".into()),
            },
            Kind::Long(least) => within(least, i64::MAX, value.parse::<i64>().map_err(|_| "Not a number of type LONG".to_owned())?),
            Kind::Double => value.parse::<f64>().map(drop).map_err(|_| "Not a number of type DOUBLE".into()),
            Kind::Ratio => match value.parse::<f64>() {
                Ok(share) if share < 0.0 => Err("Value must be at least 0".into()),
                Ok(share) if share > 1.0 || share.is_nan() => Err("Value must be no more than 1".into()),
                Ok(_) => Ok(()),
                Err(_) => Err("Not a number of type DOUBLE".into()),
            },
        }
    }

    /// A value that passed its check as it is kept and told: numbers and words in their plain form.
    pub fn plain(self, value: &str) -> String {
        let value = value.trim();
        let number = |text: Option<String>| text.unwrap_or_else(|| value.to_owned());
        match self {
            Kind::Boolean => value.to_ascii_lowercase(),
            Kind::Short | Kind::Int(_) | Kind::Between(..) | Kind::GzipLevel | Kind::Long(_) => {
                number(value.parse::<i64>().ok().map(|number| number.to_string()))
            }
            Kind::Ratio | Kind::Double => number(value.parse::<f64>().ok().map(|number| format!("{number:?}"))),
            Kind::List(_) | Kind::Words | Kind::Replicas => {
                let mut words: Vec<&str> = Vec::new();
                for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
                words.join(",")
            }
            Kind::Text | Kind::Class | Kind::Password | Kind::Choice(_) | Kind::OffsetReset => value.to_owned(),
        }
    }

    /// The number of the type in DescribeConfigs.
    pub fn number(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Text | Kind::Choice(_) | Kind::OffsetReset => 2,
            Kind::Int(_) | Kind::Between(..) | Kind::GzipLevel => 3,
            Kind::Short => 4,
            Kind::Long(_) => 5,
            Kind::Ratio | Kind::Double => 6,
            Kind::List(_) | Kind::Words | Kind::Replicas => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }
}

fn check_replicas(value: &str) -> Result<(), String> {
    let is_pair = |pair: &str| {
        pair.split_once(':').is_some_and(|(partition, broker)| partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok())
    };
    if value == "*" || value.split(',').map(str::trim).all(|pair| pair.is_empty() || is_pair(pair)) {
        return Ok(());
    }
    Err("must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
        .into())
}

/// When a property of the broker can change (Kafka's `DynamicBrokerConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// With a restart.
    ReadOnly,
    /// At runtime, of a broker by its id.
    PerBroker,
    /// At runtime, of a broker or of all.
    Cluster,
}

/// A property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it is when nobody set it; none: null.
    pub default: Option<&'static str>,
    /// For a topic's or a group's property: the broker's property that it falls back to.
    pub broker_name: Option<&'static str>,
    /// When it can change, for the broker's.
    pub update: Update,
    /// What it does; or, for a property that has no effect here, why not.
    pub documentation: &'static str,
    /// Whether it does something here. One without effect is taken, kept and told, since tools set it.
    pub has_effect: bool,
}

impl Property {
    pub(super) const fn of_topic(
        name: &'static str,
        broker_name: &'static str,
        kind: Kind,
        default: &'static str,
        documentation: &'static str,
    ) -> Property {
        let (default, broker_name) = (Some(default), Some(broker_name));
        Property { name, kind, default, broker_name, update: Update::Cluster, documentation, has_effect: true }
    }

    pub(super) const fn of_broker(name: &'static str, kind: Kind, default: &'static str, documentation: &'static str) -> Property {
        let default = Some(default);
        Property { name, kind, default, broker_name: None, update: Update::ReadOnly, documentation, has_effect: true }
    }

    /// One that can change at runtime.
    pub(super) const fn changing(self) -> Property {
        Property { update: Update::Cluster, ..self }
    }

    pub(super) const fn without_default(self) -> Property {
        Property { default: None, ..self }
    }

    /// One that has no effect here.
    pub(super) const fn idle(self) -> Property {
        Property { has_effect: false, ..self }
    }

    /// The value without a setting, as a text.
    pub(crate) fn default_text(&self) -> &'static str {
        self.default.unwrap_or("")
    }
}

/// A topic's property.
pub fn topic_property(name: &str) -> Option<&'static Property> {
    super::TOPIC.iter().find(|property| property.name == name)
}

/// A property of the broker.
pub fn broker_property(name: &str) -> Option<&'static Property> {
    broker_properties().find(|property| property.name == name)
}

/// All properties of the broker.
pub fn broker_properties() -> impl Iterator<Item = &'static Property> {
    super::BROKER.iter().chain(super::IDLE)
}

/// A group's property.
pub fn group_property(name: &str) -> Option<&'static Property> {
    super::GROUP.iter().find(|property| property.name == name)
}
