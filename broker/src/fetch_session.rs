//! Fetch sessions (KIP-227): the broker keeps the list of partitions that a client reads, and the client only sends
//! what changes. Bounded: when there is no room, a fetch is answered without a session.

use std::collections::HashMap;
use std::time::Duration;

use millstream_protocol::message::fetch::FetchRequest;
use millstream_protocol::{ErrorCode, Str, TopicId};
use parking_lot::Mutex;
use tokio::time::Instant;

/// A session that was quiet for this long gives way to a new one.
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// One partition that a fetch reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub topic: Str,
    pub topic_id: TopicId,
    pub partition: i32,
    pub offset: i64,
    pub bytes_max: i32,
    pub leader_epoch: i32,
    pub last_epoch: i32,
}

impl Wanted {
    fn is_same(&self, other: &Wanted) -> bool {
        self.partition == other.partition && self.topic == other.topic && self.topic_id == other.topic_id
    }
}

/// What the client was told last, so that only changes are told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub high_watermark: i64,
    pub start_offset: i64,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    partitions: Vec<(Wanted, Option<Told>)>,
    used: Instant,
}

/// The sessions of a broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: Mutex<HashMap<i32, Session>>,
    sessions_max: usize,
}

/// What a fetch reads, and how it is answered.
#[derive(Debug)]
pub(crate) struct Opened {
    pub session_id: i32,
    pub is_incremental: bool,
    pub wanted: Vec<(Wanted, Option<Told>)>,
}

/// A session of more partitions is not kept: its fetches are answered without one.
const PARTITIONS_MAX: usize = 10_000;
const NO_SESSION: i32 = 0;
const FINAL_EPOCH: i32 = -1;

impl FetchSessions {
    pub(crate) fn new(sessions_max: usize) -> Self {
        FetchSessions { sessions: Mutex::default(), sessions_max }
    }

    /// Applies a request to its session.
    pub(crate) fn open(&self, request: &FetchRequest) -> Result<Opened, ErrorCode> {
        let wanted = wanted(request);
        let mut sessions = self.sessions.lock();
        match (request.session_id, request.session_epoch) {
            (id, FINAL_EPOCH) => {
                sessions.remove(&id);
                Ok(Opened { session_id: NO_SESSION, is_incremental: false, wanted: fresh(wanted) })
            }
            (id, 0) => {
                sessions.remove(&id);
                let session_id = if wanted.len() > PARTITIONS_MAX { NO_SESSION } else { self.room(&mut sessions) };
                if session_id != NO_SESSION {
                    let partitions =
                        fresh(wanted.iter().map(|wanted| Wanted { topic: detached(&wanted.topic), ..wanted.clone() }).collect());
                    sessions.insert(session_id, Session { epoch: 1, partitions, used: Instant::now() });
                }
                Ok(Opened { session_id, is_incremental: false, wanted: fresh(wanted) })
            }
            (id, epoch) => {
                let session = sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
                if epoch != session.epoch {
                    return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
                session.used = Instant::now();
                if session.partitions.len() + wanted.len() > 2 * PARTITIONS_MAX {
                    sessions.remove(&id);
                    return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
                }
                update(session, request, wanted);
                Ok(Opened { session_id: id, is_incremental: true, wanted: session.partitions.clone() })
            }
        }
    }

    fn room(&self, sessions: &mut HashMap<i32, Session>) -> i32 {
        if sessions.len() >= self.sessions_max {
            let quiet = sessions.iter().filter(|(_, session)| session.used.elapsed() >= EVICTABLE_AFTER);
            match quiet.min_by_key(|(_, session)| session.used).map(|(id, _)| *id) {
                Some(id) => sessions.remove(&id),
                None => return NO_SESSION,
            };
        }
        loop {
            let id = rand::random_range(1..=i32::MAX);
            if !sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Remembers what an answer said.
    pub(crate) fn told(&self, session_id: i32, told: impl Iterator<Item = (Wanted, Told)>) {
        if let Some(session) = self.sessions.lock().get_mut(&session_id) {
            let mut places: HashMap<(TopicId, Str, i32), usize> = HashMap::new();
            for (at, (wanted, _)) in session.partitions.iter().enumerate() {
                places.insert((wanted.topic_id, wanted.topic.clone(), wanted.partition), at);
            }
            for (wanted, told) in told {
                if let Some(&at) = places.get(&(wanted.topic_id, wanted.topic, wanted.partition)) {
                    session.partitions[at].1 = Some(told);
                }
            }
        }
    }
}

fn fresh(wanted: Vec<Wanted>) -> Vec<(Wanted, Option<Told>)> {
    wanted.into_iter().map(|wanted| (wanted, None)).collect()
}

/// A name of its own, so that a session does not hold on to the frame that opened it.
fn detached(text: &Str) -> Str {
    Str::from(text.as_str())
}

fn wanted(request: &FetchRequest) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let wanted = Wanted {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partition: partition.partition,
                offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
                last_epoch: partition.last_fetched_epoch,
            };
            match all.iter_mut().take(64).find(|other| other.is_same(&wanted)) {
                Some(earlier) => *earlier = wanted,
                None => all.push(wanted),
            }
        }
    }
    all
}

fn update(session: &mut Session, request: &FetchRequest, wanted: Vec<Wanted>) {
    for topic in &request.forgotten_topics_data {
        session.partitions.retain(|(known, _)| {
            known.topic != topic.topic || known.topic_id != topic.topic_id || !topic.partitions.contains(&known.partition)
        });
    }
    for wanted in wanted {
        match session.partitions.iter_mut().find(|(known, _)| known.is_same(&wanted)) {
            Some((known, _)) => *known = Wanted { topic: known.topic.clone(), ..wanted },
            None => session.partitions.push((Wanted { topic: detached(&wanted.topic), ..wanted }, None)),
        }
    }
}
