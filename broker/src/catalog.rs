//! All topics: names, ids, partition counts and properties. The only writer of what is in a topic's folder beside
//! the logs, and the only one that makes or removes such folders.

mod error;
mod name;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_protocol::{Str, TopicId};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use crate::config::{Properties, TopicSettings, check_topic_properties, plain};
use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::limit;
use crate::log::LogError;
use crate::partition::{Env, Partition, ProcessStart};
use crate::side_by_side::side_by_side;

pub(crate) use error::TopicError;
pub(crate) use name::{NameError, check_name};

const TOPIC_VERSION: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct TopicFile {
    name: String,
    id: [u8; 16],
    partitions: i32,
    properties: Properties,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub name: String,
    pub id: TopicId,
    dir: PathBuf,
    partitions: RwLock<Arc<[Arc<Partition>]>>,
    properties: RwLock<Properties>,
}

impl Topic {
    fn new(file: TopicFile, dir: PathBuf, partitions: Vec<Arc<Partition>>) -> Arc<Self> {
        Arc::new(Topic {
            name: file.name,
            id: TopicId(file.id),
            dir,
            partitions: RwLock::new(partitions.into()),
            properties: RwLock::new(file.properties),
        })
    }

    pub(crate) fn partitions(&self) -> Arc<[Arc<Partition>]> {
        self.partitions.read().clone()
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        self.partitions.read().get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn properties(&self) -> Properties {
        self.properties.read().clone()
    }
}

#[derive(Debug, Default)]
struct Names {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

/// Id and number of partitions, by name.
pub(crate) type Topics = BTreeMap<Str, (TopicId, i32)>;

/// The topics at one moment.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Another one for another list.
    pub version: u64,
    pub topics: Topics,
}

/// The catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    env: Env,
    dir: PathBuf,
    names: RwLock<Names>,
    /// Rises with every topic that comes, grows or goes.
    version: AtomicU64,
    listing: Mutex<Option<Arc<Listing>>>,
    /// Held while a topic is made, changed or removed.
    changes: Mutex<()>,
    /// What topics fall back to.
    broker_properties: RwLock<Arc<Properties>>,
}

fn folder(id: TopicId) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Catalog {
    /// Reads all topics and opens their partitions.
    pub(crate) fn open(env: Env, dir: PathBuf, broker_properties: Properties, start: &ProcessStart) -> Result<Self, LogError> {
        let disk = env.disk.clone();
        let fail = |error| LogError::io(&dir, error);
        disk.create_dir(&dir).map_err(fail)?;
        let catalog = Catalog {
            env,
            dir: dir.clone(),
            names: RwLock::default(),
            version: AtomicU64::new(1),
            listing: Mutex::new(None),
            changes: Mutex::new(()),
            broker_properties: RwLock::new(Arc::new(broker_properties)),
        };
        let mut found = Vec::new();
        for entry in disk.list(&dir).map_err(fail)? {
            let path = dir.join(&entry.name);
            let file_path = path.join("topic");
            let content = read_file(&*disk, &file_path, limit::TOPIC_FILE_BYTES_MAX).map_err(|error| LogError::io(&file_path, error))?;
            // A folder without the file is a topic whose creation was not acknowledged, or whose removal has begun.
            let Some(content) = content.filter(|_| !entry.name.ends_with(DELETED)) else {
                disk.remove_dir(&path).map_err(fail)?;
                continue;
            };
            let file: TopicFile = durable::decode(TOPIC_VERSION, &content)
                .map_err(|error| LogError::io(&file_path, std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
            found.push((catalog.settings(&file.properties), file, path));
        }
        let places: Vec<_> = found.iter().flat_map(|topic| (0..topic.1.partitions).map(move |index| (topic, index))).collect();
        let opened =
            side_by_side(&places, |((settings, file, path), index)| catalog.open_partition(&file.name, *index, settings, path, start))?;
        let opened: Vec<Arc<Partition>> = opened;
        catalog.sync_recovered(&opened)?;
        let mut opened = opened.into_iter();
        for (_, file, path) in found {
            let partitions = opened.by_ref().take(file.partitions as usize).collect();
            catalog.insert(Topic::new(file, path, partitions));
        }
        Ok(catalog)
    }

    /// Makes durable what an earlier process left behind its last sync: of many partitions, all at once.
    fn sync_recovered(&self, partitions: &[Arc<Partition>]) -> Result<(), LogError> {
        let unsynced: Vec<&Arc<Partition>> = partitions.iter().filter(|partition| partition.has_unsynced()).collect();
        if unsynced.len() <= limit::SYNC_EACH_MAX {
            return side_by_side(&unsynced, |partition| partition.sync_recovered()).map(drop);
        }
        self.env.disk.sync_all(&self.dir).map_err(|error| LogError::sync(&self.dir, error))?;
        unsynced.iter().for_each(|partition| partition.is_synced_with_others());
        Ok(())
    }

    fn settings(&self, properties: &Properties) -> Arc<TopicSettings> {
        Arc::new(TopicSettings::new(properties, &self.broker_properties.read()))
    }

    /// Gives all topics other values to fall back to.
    pub(crate) fn set_broker_properties(&self, properties: Properties) {
        let _changing = self.changes.lock();
        *self.broker_properties.write() = Arc::new(properties);
        for topic in self.all() {
            let settings = self.settings(&topic.properties());
            topic.partitions().iter().for_each(|partition| partition.set_settings(settings.clone()));
        }
    }

    fn assemble(&self, file: TopicFile, dir: PathBuf, start: &ProcessStart) -> Result<Arc<Topic>, LogError> {
        let settings = self.settings(&file.properties);
        let partitions = (0..file.partitions)
            .map(|index| self.open_partition(&file.name, index, &settings, &dir, start))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Topic::new(file, dir, partitions))
    }

    fn open_partition(
        &self,
        topic: &str,
        index: i32,
        settings: &Arc<TopicSettings>,
        dir: &Path,
        start: &ProcessStart,
    ) -> Result<Arc<Partition>, LogError> {
        Partition::open(&self.env, topic.to_owned(), index, settings.clone(), dir.join(index.to_string()), start).map(Arc::new)
    }

    fn insert(&self, topic: Arc<Topic>) {
        let mut names = self.names.write();
        names.by_id.insert(topic.id, topic.clone());
        names.by_name.insert(topic.name.clone(), topic);
        self.version.fetch_add(1, Ordering::Release);
    }

    fn save(&self, topic: &Topic, partitions: i32, properties: &Properties) -> Result<(), LogError> {
        let file = TopicFile { name: topic.name.clone(), id: topic.id.0, partitions, properties: properties.clone() };
        let path = topic.dir.join("topic");
        replace_file(&*self.env.disk, &path, &durable::encode(TOPIC_VERSION, &file)).map_err(|error| LogError::io(&path, error))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.names.read().by_name.get(name).cloned()
    }

    pub(crate) fn get_by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.names.read().by_id.get(&id).cloned()
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.names.read().by_name.values().cloned().collect()
    }

    /// The topics as they are, made anew only after a change.
    pub(crate) fn listing(&self) -> Arc<Listing> {
        let version = self.version.load(Ordering::Acquire);
        let mut listing = self.listing.lock();
        match &*listing {
            Some(listing) if listing.version == version => listing.clone(),
            _ => {
                let names = self.names.read();
                let topics = names.by_name.values().map(|topic| (Str::from(&topic.name), (topic.id, topic.partitions().len() as i32)));
                listing.insert(Arc::new(Listing { version, topics: topics.collect() })).clone()
            }
        }
    }

    /// Checks everything about a new topic that does not depend on the disk.
    pub(crate) fn check_new(&self, name: &str, partitions: i32, properties: &Properties) -> Result<(), TopicError> {
        check_name(name)?;
        if self.get(name).is_some() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        // Kafka's metrics cannot tell such names apart, and a topic must be able to move there.
        let alike = |name: &str| name.replace('.', "_");
        if let Some(other) = self.names.read().by_name.keys().find(|other| alike(other) == alike(name)) {
            return Err(TopicError::Collides { name: name.to_owned(), other: other.clone() });
        }
        if partitions < 1 {
            return Err(TopicError::NoPartitions);
        }
        self.check_properties(properties)
    }

    /// Whether a topic may have these properties.
    pub(crate) fn check_properties(&self, properties: &Properties) -> Result<(), TopicError> {
        Ok(check_topic_properties(properties, &self.broker_properties.read())?)
    }

    /// Makes a topic, durably.
    pub(crate) fn create(&self, name: &str, partitions: i32, properties: Properties, now_ms: i64) -> Result<Arc<Topic>, TopicError> {
        let _changing = self.changes.lock();
        self.check_new(name, partitions, &properties)?;
        let properties = plain(properties);
        let id = TopicId(rand::random::<u128>().max(1).to_be_bytes());
        let dir = self.dir.join(folder(id));
        let file = TopicFile { name: name.to_owned(), id: id.0, partitions, properties: properties.clone() };
        let created = || -> Result<Arc<Topic>, LogError> {
            self.env.disk.create_dir(&dir).map_err(|error| LogError::io(&dir, error))?;
            let topic = self.assemble(file, dir.clone(), &ProcessStart { now_ms, is_clean: true })?;
            self.save(&topic, partitions, &properties)?;
            self.env.disk.sync_dir(&self.dir).map_err(|error| LogError::io(&self.dir, error))?;
            Ok(topic)
        };
        let topic = created().map_err(TopicError::told)?;
        self.insert(topic.clone());
        Ok(topic)
    }

    /// Adds partitions, durably, up to a count that `check` allows beside the present one: two that ask at once are asked one after the
    /// other.
    pub(crate) fn grow<E: From<TopicError>>(
        &self,
        topic: &Topic,
        count: i32,
        now_ms: i64,
        check: impl FnOnce(i32) -> Result<(), E>,
    ) -> Result<(), E> {
        let _changing = self.changes.lock();
        self.check_there(topic)?;
        let present = topic.partitions();
        check(present.len() as i32)?;
        let properties = topic.properties();
        let settings = self.settings(&properties);
        let mut grown = present.to_vec();
        for index in present.len() as i32..count {
            grown.push(
                self.open_partition(&topic.name, index, &settings, &topic.dir, &ProcessStart { now_ms, is_clean: true })
                    .map_err(TopicError::told)?,
            );
        }
        self.save(topic, count, &properties).map_err(TopicError::told)?;
        *topic.partitions.write() = grown.into();
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Changes a topic's properties, durably, all or none of them; they hold from the next append on. What `alter` sees nobody else
    /// changes meanwhile.
    pub(crate) fn alter_properties<E: From<TopicError>>(
        &self,
        topic: &Topic,
        validate_only: bool,
        alter: impl FnOnce(&mut Properties) -> Result<(), E>,
    ) -> Result<(), E> {
        let _changing = self.changes.lock();
        self.check_there(topic)?;
        let mut properties = topic.properties();
        alter(&mut properties)?;
        self.check_properties(&properties)?;
        if validate_only {
            return Ok(());
        }
        let properties = plain(properties);
        let partitions = topic.partitions();
        self.save(topic, partitions.len() as i32, &properties).map_err(TopicError::told)?;
        let settings = self.settings(&properties);
        partitions.iter().for_each(|partition| partition.set_settings(settings.clone()));
        *topic.properties.write() = properties;
        Ok(())
    }

    /// A topic that was removed while somebody waited for the lock must not get files again.
    fn check_there(&self, topic: &Topic) -> Result<(), TopicError> {
        if self.names.read().by_id.contains_key(&topic.id) { Ok(()) } else { Err(TopicError::Gone) }
    }

    /// Removes a topic. Once this returns it does not come back, whatever happens to its files.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), TopicError> {
        let _changing = self.changes.lock();
        {
            let mut names = self.names.write();
            if names.by_id.remove(&topic.id).is_none() {
                return Err(TopicError::Gone);
            }
            names.by_name.remove(&topic.name);
            self.version.fetch_add(1, Ordering::Release);
        }
        topic.partitions().iter().for_each(|partition| partition.mark_deleted());
        let removed = || -> std::io::Result<()> {
            let grave = topic.dir.with_extension(&DELETED[1..]);
            self.env.disk.rename(&topic.dir, &grave)?;
            self.env.disk.sync_dir(&self.dir)?;
            self.env.disk.remove_dir(&grave)
        };
        removed().map_err(|error| TopicError::told(LogError::io(&topic.dir, error)))
    }
}

const DELETED: &str = ".deleted";

/// The name of the topic in a folder, read without opening it; `None` if there is none.
pub(crate) fn topic_name(disk: &dyn Disk, dir: &Path) -> Result<Option<String>, LogError> {
    let path = dir.join("topic");
    let content = read_file(disk, &path, limit::TOPIC_FILE_BYTES_MAX).map_err(|error| LogError::io(&path, error))?;
    let file = content.map(|content| durable::decode::<TopicFile>(TOPIC_VERSION, &content)).transpose();
    file.map(|file| file.map(|file| file.name))
        .map_err(|error| LogError::io(&path, std::io::Error::new(std::io::ErrorKind::InvalidData, error)))
}
