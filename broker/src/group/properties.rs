//! The properties of single groups. They belong to a name: the group need not be there, and they outlive it.

use std::collections::BTreeMap;

use millstream_protocol::Str;
use parking_lot::RwLock;
use thiserror::Error;

use super::Groups;
use super::record::{Key, Value};
use crate::config::group::{ASSIGNMENT, ConsumerSettings};
use crate::config::share::{self, ShareSettings};
use crate::config::{ConfigError, GroupSettings, Properties, group_property};
use crate::durable::DurableError;
use crate::journal::JournalError;

/// Why the properties of a group are not changed.
#[derive(Debug, Error)]
pub(crate) enum PropertiesError {
    /// A group cannot have them.
    #[error(transparent)]
    Property(#[from] ConfigError),
    /// The journal does not take them.
    #[error("The properties of the group could not be kept.")]
    NotKept(#[from] JournalError),
}

/// What is set on a group.
#[derive(Debug, Clone)]
struct Own {
    set: Properties,
    holding: ConsumerSettings,
    holding_share: ShareSettings,
}

/// What is set on which group. Its lock is taken after the shelf's, if both are.
#[derive(Debug, Default)]
pub(super) struct Owns(RwLock<BTreeMap<Str, Own>>);

impl Owns {
    /// Takes over what the journal says.
    pub(super) fn restore(&self, id: &str, value: Option<&[u8]>, settings: &GroupSettings) -> Result<(), DurableError> {
        let set = value.map(Properties::read).transpose()?.unwrap_or_default();
        self.put(&mut self.0.write(), id, set, settings);
        Ok(())
    }

    fn put(&self, owns: &mut BTreeMap<Str, Own>, id: &str, set: Properties, settings: &GroupSettings) {
        if set.is_empty() {
            owns.remove(id.as_bytes());
        } else {
            let (holding, holding_share) = (settings.holding(&set), settings.holding_share(&set));
            owns.insert(id.into(), Own { set, holding, holding_share });
        }
    }

    /// What holds for a consumer group, of which `of_all` is what holds for all of them now.
    pub(super) fn holding(&self, id: &str, of_all: ConsumerSettings) -> ConsumerSettings {
        let owns = self.0.read();
        let Some(own) = owns.get(id.as_bytes()) else { return of_all };
        let is_own = own.set.contains_key(ASSIGNMENT);
        let assignment_interval_ms = if is_own { own.holding.assignment_interval_ms } else { of_all.assignment_interval_ms };
        ConsumerSettings { assignment_interval_ms, ..own.holding }
    }

    /// The same for a share group.
    pub(super) fn holding_share(&self, id: &str, of_all: ShareSettings) -> ShareSettings {
        let owns = self.0.read();
        let Some(own) = owns.get(id.as_bytes()) else { return of_all };
        let is_own = own.set.contains_key(share::ASSIGNMENT);
        let assignment_interval_ms = if is_own { own.holding_share.assignment_interval_ms } else { of_all.assignment_interval_ms };
        ShareSettings { assignment_interval_ms, ..own.holding_share }
    }
}

impl Groups {
    /// What is set on a group.
    pub(crate) fn properties(&self, id: &str) -> Properties {
        self.owns.0.read().get(id.as_bytes()).map(|own| own.set.clone()).unwrap_or_default()
    }

    /// The groups on which something is set.
    pub(crate) fn with_properties(&self) -> Vec<Str> {
        self.owns.0.read().keys().cloned().collect()
    }

    /// Changes what is set on a group, all of it or nothing. It holds from the members' next heartbeats on.
    pub(crate) fn alter_properties<E: From<PropertiesError>>(
        &self,
        id: &str,
        validate_only: bool,
        alter: impl FnOnce(&mut Properties) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut owns = self.owns.0.write();
        let before = owns.get(id.as_bytes()).map(|own| own.set.clone()).unwrap_or_default();
        let mut set = before.clone();
        alter(&mut set)?;
        self.settings.check_group(&set).map_err(PropertiesError::from)?;
        // They are told in their plain form, however somebody wrote them.
        for (name, value) in &mut set {
            *value = group_property(name).map_or_else(|| value.clone(), |property| property.kind.plain(value));
        }
        if validate_only || set == before {
            return Ok(());
        }
        let key = Key::Properties { group: id.to_owned() };
        let entry = if set.is_empty() { key.forget() } else { key.set(&set) };
        // What the journal does not take would be gone after a restart.
        self.journal.append(&[entry], None, self.clock.now_ms()).map_err(PropertiesError::NotKept)?;
        self.owns.put(&mut owns, id, set, &self.settings);
        Ok(())
    }
}
