//! How a consumer behaves: its builder. Names and defaults are those of Kafka's consumer, unless they say otherwise.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::{ApiKey, Str};

use super::listener::{NoListener, RebalanceListener};
use super::{Consumer, assignor::Assignor};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::isolation::Isolation;

/// How a group shares its partitions out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members do it among themselves: one of them assigns.
    Classic,
    /// The broker does it (KIP-848); nobody waits for anybody.
    Consumer,
}

/// Where to begin in a partition in which the group has no offset, or one that is not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the first record that is kept.
    Earliest,
    /// At the next record to be written.
    Latest,
    /// Nowhere: it is an error.
    None,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subscribed {
    Topics(Vec<Str>),
    Pattern(Str),
}

/// Builds a [`Consumer`].
#[derive(Clone)]
pub struct ConsumerBuilder {
    pub(super) client: Client,
    pub(super) group_id: Str,
    pub(super) subscribed: Subscribed,
    pub(super) protocol: GroupProtocol,
    pub(super) assignors: Vec<Assignor>,
    pub(super) remote_assignor: Option<Str>,
    pub(super) instance_id: Option<Str>,
    pub(super) reset: AutoOffsetReset,
    pub(super) isolation: Isolation,
    pub(super) auto_commit: Option<Duration>,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) max_poll_interval: Duration,
    pub(super) metadata_refresh: Duration,
    pub(super) fetch_wait: Duration,
    pub(super) fetch_bytes_min: i32,
    pub(super) fetch_bytes_max: i32,
    pub(super) partition_bytes_max: i32,
    pub(super) listener: Arc<dyn RebalanceListener>,
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder").field("group_id", &self.group_id).field("subscribed", &self.subscribed).finish_non_exhaustive()
    }
}

impl Client {
    /// Builds a consumer: a member of a group.
    pub fn consumer(&self, group_id: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), group_id)
    }
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, group_id: &str) -> Self {
        // A broker that assigns partitions itself is let do it.
        let protocol = match client.version(ApiKey::ConsumerGroupHeartbeat) {
            Some(_) => GroupProtocol::Consumer,
            None => GroupProtocol::Classic,
        };
        ConsumerBuilder {
            client,
            group_id: group_id.into(),
            subscribed: Subscribed::Topics(Vec::new()),
            protocol,
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            remote_assignor: None,
            instance_id: None,
            reset: AutoOffsetReset::Latest,
            isolation: Isolation::default(),
            auto_commit: Some(Duration::from_secs(5)),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            metadata_refresh: Duration::from_secs(30),
            fetch_wait: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 8 * 1024 * 1024,
            partition_bytes_max: 1024 * 1024,
            listener: Arc::new(NoListener),
        }
    }

    /// Reads these topics.
    #[must_use]
    pub fn topics<T: Into<Str>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.subscribed = Subscribed::Topics(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Reads all topics whose whole name matches a regular expression. Needs [`GroupProtocol::Consumer`]: it is the broker that looks.
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<Str>) -> Self {
        self.subscribed = Subscribed::Pattern(pattern.into());
        self
    }

    /// How the group shares its partitions out; as the broker does it where it does, unless set.
    #[must_use]
    pub fn protocol(mut self, protocol: GroupProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// What this member can assign with, in the order of its preference ([`GroupProtocol::Classic`]): range and cooperative-sticky unless set.
    /// Partitions are kept through a rebalance when all of them are cooperative.
    #[must_use]
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Assignor>) -> Self {
        self.assignors = assignors.into_iter().collect();
        self
    }

    /// What the broker is to assign with ([`GroupProtocol::Consumer`]): `uniform` or `range`; the broker's own choice unless set.
    #[must_use]
    pub fn remote_assignor(mut self, name: impl Into<Str>) -> Self {
        self.remote_assignor = Some(name.into());
        self
    }

    /// A lasting name of this member: it keeps its partitions when it comes back within the session timeout (KIP-345).
    #[must_use]
    pub fn instance_id(mut self, name: impl Into<Str>) -> Self {
        self.instance_id = Some(name.into());
        self
    }

    /// Where to begin without an offset; at the end unless set.
    #[must_use]
    pub fn auto_offset_reset(mut self, reset: AutoOffsetReset) -> Self {
        self.reset = reset;
        self
    }

    /// Which records of transactions are read; only committed ones unless set (Kafka's Java client reads all unless set).
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How often the places of the records that were delivered are committed, and when partitions are given up; every 5 s unless set,
    /// `None` for never. A record counts as done when the next one is asked for.
    #[must_use]
    pub fn auto_commit(mut self, every: Option<Duration>) -> Self {
        self.auto_commit = every;
        self
    }

    /// When the group takes this member for dead ([`GroupProtocol::Classic`]); 45 s unless set.
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// How often it shows that it lives ([`GroupProtocol::Classic`]); every 3 s unless set.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// How long a record may be worked on before others get the partitions; 5 minutes unless set.
    #[must_use]
    pub fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.max_poll_interval = interval;
        self
    }

    /// How often the member that assigns looks for new partitions ([`GroupProtocol::Classic`]); every 30 s unless set.
    #[must_use]
    pub fn metadata_refresh(mut self, interval: Duration) -> Self {
        self.metadata_refresh = interval;
        self
    }

    /// How long the broker may wait for `min_bytes` of records; 500 ms and 1 unless set.
    #[must_use]
    pub fn fetch_wait(mut self, wait: Duration, min_bytes: i32) -> Self {
        (self.fetch_wait, self.fetch_bytes_min) = (wait, min_bytes);
        self
    }

    /// The most that is fetched at once, in all and of one partition; 8 MiB and 1 MiB unless set. A batch that is larger comes alone.
    #[must_use]
    pub fn fetch_bytes(mut self, bytes_max: i32, partition_bytes_max: i32) -> Self {
        (self.fetch_bytes_max, self.partition_bytes_max) = (bytes_max, partition_bytes_max);
        self
    }

    /// The listener that is told of partitions that are assigned and revoked.
    #[must_use]
    pub fn listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Arc::new(listener);
        self
    }

    /// Joins the group. Over a socket it opens two connections of its own, as the broker holds some answers back.
    ///
    /// # Errors
    /// When the options contradict each other, or the broker cannot be reached. What the broker has against this member comes with
    /// the records.
    pub async fn start(self) -> Result<Consumer, Error> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::InvalidInput, message));
        match (&self.subscribed, self.protocol) {
            (Subscribed::Topics(topics), _) if topics.is_empty() => return wrong("the consumer is subscribed to nothing"),
            (Subscribed::Pattern(_), GroupProtocol::Classic) => return wrong("a pattern needs GroupProtocol::Consumer"),
            (_, GroupProtocol::Classic) if self.assignors.is_empty() => return wrong("a member of a classic group needs an assignor"),
            _ => {}
        }
        if self.protocol == GroupProtocol::Consumer && self.client.version(ApiKey::ConsumerGroupHeartbeat).is_none() {
            return Err(Error::new(ErrorKind::Unsupported, "the broker does not assign partitions (KIP-848): use GroupProtocol::Classic"));
        }
        Consumer::start(self).await
    }
}
