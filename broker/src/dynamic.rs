//! Properties of the broker that were changed while it runs: of this broker by its id, or of all brokers. They are kept in a file of
//! the data directory, and outweigh what the broker was started with (KIP-226).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{BrokerSettings, ConfigError, Properties, Source, Update, broker_property, check_broker_property};
use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::limit;
use crate::log::LogError;

const VERSION: u8 = 1;
const FILE: &str = "properties";

/// Why a property of the broker is not changed. The sentences are Kafka's.
#[derive(Debug, Error)]
pub(crate) enum DynamicError {
    /// It cannot have that value, by itself or beside those of others.
    #[error(transparent)]
    Property(#[from] ConfigError),
    /// It is only read when the broker starts.
    #[error("Cannot update these configs dynamically: [{0}]")]
    ReadOnly(String),
    /// It can only be changed of one broker by its id.
    #[error("Cannot update these configs at default cluster level, broker id must be specified: [{0}]")]
    OfOneBroker(String),
    /// The change could not be kept.
    #[error(transparent)]
    DiskFailed(LogError),
}

/// Whose properties are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    ThisBroker,
    AllBrokers,
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    of_broker: Properties,
    of_all: Properties,
}

impl Changed {
    fn of(&self, whose: Whose) -> &Properties {
        match whose {
            Whose::ThisBroker => &self.of_broker,
            Whose::AllBrokers => &self.of_all,
        }
    }

    /// What holds, over what the broker was started with.
    fn over(&self, started: &Properties) -> Properties {
        started.iter().chain(&self.of_all).chain(&self.of_broker).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The changed properties, and what holds with them.
#[derive(Debug)]
pub(crate) struct Dynamic {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    started: Properties,
    changed: RwLock<Changed>,
    holding: RwLock<Arc<BrokerSettings>>,
}

impl Dynamic {
    /// Reads what an earlier process kept. What is no property any more is logged and ignored.
    pub(crate) fn open(disk: Arc<dyn Disk>, data_dir: &Path, started: &BrokerSettings) -> Result<Self, LogError> {
        let path = data_dir.join(FILE);
        let fail = |error| LogError::io(&path, error);
        let mut changed: Changed = match read_file(&*disk, &path, limit::PROPERTIES_FILE_BYTES_MAX).map_err(fail)? {
            Some(content) => {
                durable::decode(VERSION, &content).map_err(|error| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?
            }
            None => Changed::default(),
        };
        for properties in [&mut changed.of_broker, &mut changed.of_all] {
            properties.retain(|name, value| match check_broker_property(name, value) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!("a property that was changed at runtime does not hold: {error}");
                    false
                }
            });
        }
        let started_with = started.properties.clone();
        let holding = BrokerSettings::new(changed.over(&started_with)).unwrap_or_else(|error| {
            tracing::warn!("properties that were changed at runtime do not hold beside those of the start: {error}");
            changed = Changed::default();
            started.clone()
        });
        Ok(Dynamic { disk, path, started: started_with, changed: RwLock::new(changed), holding: RwLock::new(Arc::new(holding)) })
    }

    /// What holds now.
    pub(crate) fn settings(&self) -> Arc<BrokerSettings> {
        self.holding.read().clone()
    }

    /// What is set for some or all brokers.
    pub(crate) fn changed(&self, whose: Whose) -> Properties {
        self.changed.read().of(whose).clone()
    }

    /// Every value that the broker has for a property, nearest first.
    pub(crate) fn values(&self, name: &str) -> Vec<(String, Source)> {
        let changed = self.changed.read();
        let levels =
            [(&changed.of_broker, Source::DynamicBroker), (&changed.of_all, Source::DynamicDefault), (&self.started, Source::Broker)];
        levels.into_iter().filter_map(|(properties, source)| Some((properties.get(name)?.clone(), source))).collect()
    }

    /// Changes properties, all or none of them, durably. The answer is what holds from now on, unless it was only to be checked.
    pub(crate) fn alter<E: From<DynamicError>>(
        &self,
        whose: Whose,
        validate_only: bool,
        alter: impl FnOnce(&mut Properties) -> Result<(), E>,
    ) -> Result<Option<Arc<BrokerSettings>>, E> {
        let mut changed = self.changed.write();
        let mut next = changed.clone();
        let properties = match whose {
            Whose::ThisBroker => &mut next.of_broker,
            Whose::AllBrokers => &mut next.of_all,
        };
        alter(properties)?;
        for (name, value) in properties.iter_mut() {
            check_change(whose, name, value, changed.of(whose))?;
            if let Some(property) = broker_property(name) {
                *value = property.kind.plain(value);
            }
        }
        let holding = Arc::new(BrokerSettings::new(next.over(&self.started)).map_err(DynamicError::from)?);
        if validate_only || next == *changed {
            return Ok(None);
        }
        replace_file(&*self.disk, &self.path, &durable::encode(VERSION, &next)).map_err(|error| {
            let error = LogError::io(&self.path, error);
            tracing::error!("{error}");
            DynamicError::DiskFailed(error)
        })?;
        *changed = next;
        *self.holding.write() = holding.clone();
        Ok(Some(holding))
    }
}

/// Whether a value may be set now.
fn check_change(whose: Whose, name: &str, value: &str, before: &Properties) -> Result<(), DynamicError> {
    if before.get(name).is_some_and(|before| before == value) {
        return Ok(());
    }
    check_broker_property(name, value)?;
    match broker_property(name).map_or(Update::ReadOnly, |property| property.update) {
        Update::ReadOnly => Err(DynamicError::ReadOnly(name.to_owned())),
        Update::PerBroker if whose == Whose::AllBrokers => Err(DynamicError::OfOneBroker(name.to_owned())),
        Update::PerBroker | Update::Cluster => Ok(()),
    }
}
