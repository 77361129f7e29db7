//! Settings of the server: a TOML file, then the environment and flags (clap reads both), checked whole before any port
//! opens. The broker's own properties keep Kafka's dotted names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millstream_broker::{BrokerSettings, Properties};
use serde::Deserialize;

use crate::failure::Failure;

/// What a configuration file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ConfigFile {
    pub data_dir: Option<PathBuf>,
    pub kafka: Option<String>,
    pub http: Option<String>,
    /// Broker properties by Kafka's names, quoted or as nested tables.
    #[serde(default)]
    pub properties: BTreeMap<String, toml::Value>,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        #[expect(clippy::disallowed_methods, reason = "the configuration is read before there is a broker")]
        let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    }
}

/// `num.partitions = 4` is a nested table to TOML; here it is one name.
fn flatten(prefix: &str, value: &toml::Value, to: &mut Properties) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, value, to);
            }
        }
        toml::Value::String(text) => drop(to.insert(prefix.to_owned(), text.clone())),
        other => drop(to.insert(prefix.to_owned(), other.to_string())),
    }
}

/// The broker's settings: the file's properties, overridden by `--set`.
pub(crate) fn broker_settings(file: &ConfigFile, set: &[String]) -> Result<BrokerSettings, Failure> {
    let mut properties = Properties::new();
    for (name, value) in &file.properties {
        flatten(name, value, &mut properties);
    }
    for assignment in set {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| Failure::usage(format!("--set {assignment}: write --set name=value")))?;
        properties.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    BrokerSettings::new(properties).map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_are_one_name_quoted_or_not() {
        let file: ConfigFile = toml::from_str("[properties]\n\"num.partitions\" = 4\nlog.segment.bytes = \"1048576\"\n").unwrap();
        let mut found = Properties::new();
        file.properties.iter().for_each(|(name, value)| flatten(name, value, &mut found));
        assert_eq!(found["num.partitions"], "4");
        assert_eq!(found["log.segment.bytes"], "1048576");
        assert!(broker_settings(&file, &["num.partitons=3".into()]).is_err());
    }
}
