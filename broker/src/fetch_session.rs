//! Fetch sessions (KIP-227): the broker keeps the list of partitions that a client reads, and the client only sends
//! what changes. Bounded: when there is no room, a fetch is answered without a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::limit;
use millstream_protocol::message::fetch::FetchRequest;
use millstream_protocol::{Str, TopicId};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;

/// A session that was quiet for this long gives way to a new one.
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// Why a fetch does not go on with its session. The client begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FetchSessionError {
    #[error("there is no such session")]
    Unknown,
    /// It has more partitions than are kept, and is over.
    #[error("the session has grown too large")]
    Outgrown,
    /// A fetch of the session was lost, or came twice.
    #[error("the fetch is not the next one of its session")]
    WrongEpoch,
}

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

/// What tells one partition from another.
type SessionKey = (TopicId, Str, i32);

impl Wanted {
    fn key(&self) -> SessionKey {
        (self.topic_id, self.topic.clone(), self.partition)
    }

    /// With a name of its own, so that a session does not hold on to the frame that it came with.
    fn detached(self) -> Self {
        Wanted { topic: Str::from(self.topic.as_str()), ..self }
    }
}

/// What the last answer said, so that the next one has only changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub high_watermark: i64,
    pub start_offset: i64,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    partitions: Vec<(Wanted, Option<Told>)>,
    /// Where each partition stands among them.
    places: HashMap<SessionKey, usize>,
    used: Instant,
}

impl Session {
    fn new(wanted: &[Wanted]) -> Self {
        let mut session = Session { epoch: 1, partitions: Vec::new(), places: HashMap::new(), used: Instant::now() };
        wanted.iter().for_each(|wanted| session.set(wanted.clone()));
        session
    }

    fn set(&mut self, wanted: Wanted) {
        match self.places.get(&wanted.key()) {
            Some(&place) => {
                let known = &mut self.partitions[place].0;
                *known = Wanted { topic: known.topic.clone(), ..wanted };
            }
            None => {
                let wanted = wanted.detached();
                self.places.insert(wanted.key(), self.partitions.len());
                self.partitions.push((wanted, None));
            }
        }
    }

    fn forget(&mut self, request: &FetchRequest) {
        let mut has_gone = false;
        for topic in &request.forgotten_topics_data {
            for partition in &topic.partitions {
                has_gone |= self.places.remove(&(topic.topic_id, topic.topic.clone(), *partition)).is_some();
            }
        }
        if has_gone {
            self.partitions.retain(|(known, _)| self.places.contains_key(&known.key()));
            self.places = (0..).zip(&self.partitions).map(|(place, (known, _))| (known.key(), place)).collect();
        }
    }
}

/// The sessions of a broker. Each has a lock of its own: what one client reads, however much, holds no other one up.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: Mutex<HashMap<i32, Arc<Mutex<Session>>>>,
    sessions_max: usize,
}

/// What a fetch reads, and how it is answered.
#[derive(Debug)]
pub(crate) struct Opened {
    pub session_id: i32,
    pub is_incremental: bool,
    pub wanted: Vec<(Wanted, Option<Told>)>,
}

const NO_SESSION: i32 = 0;
const FINAL_EPOCH: i32 = -1;

impl FetchSessions {
    pub(crate) fn new(sessions_max: usize) -> Self {
        FetchSessions { sessions: Mutex::default(), sessions_max }
    }

    /// Applies a request to its session.
    pub(crate) fn open(&self, request: &FetchRequest) -> Result<Opened, FetchSessionError> {
        let wanted = wanted(request);
        match (request.session_id, request.session_epoch) {
            (id, FINAL_EPOCH) => {
                self.sessions.lock().remove(&id);
                Ok(Opened { session_id: NO_SESSION, is_incremental: false, wanted: fresh(wanted) })
            }
            (id, 0) => {
                let session = (wanted.len() <= limit::FETCH_SESSION_PARTITIONS_MAX).then(|| Session::new(&wanted));
                let session_id = self.replace(id, session);
                Ok(Opened { session_id, is_incremental: false, wanted: fresh(wanted) })
            }
            (id, epoch) => {
                let session = self.sessions.lock().get(&id).cloned().ok_or(FetchSessionError::Unknown)?;
                let mut session = session.lock();
                if epoch != session.epoch {
                    return Err(FetchSessionError::WrongEpoch);
                }
                if session.partitions.len() + wanted.len() > 2 * limit::FETCH_SESSION_PARTITIONS_MAX {
                    drop(session);
                    self.sessions.lock().remove(&id);
                    return Err(FetchSessionError::Outgrown);
                }
                session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
                session.used = Instant::now();
                session.forget(request);
                wanted.into_iter().for_each(|wanted| session.set(wanted));
                Ok(Opened { session_id: id, is_incremental: true, wanted: session.partitions.clone() })
            }
        }
    }

    /// Ends a session and begins another, if there is one to begin and room for it.
    fn replace(&self, id: i32, session: Option<Session>) -> i32 {
        let mut sessions = self.sessions.lock();
        sessions.remove(&id);
        let Some(session) = session else { return NO_SESSION };
        if sessions.len() >= self.sessions_max {
            // A session that somebody has locked is in use.
            let used = |session: &Arc<Mutex<Session>>| session.try_lock().map(|session| session.used);
            let quiet = sessions.iter().filter_map(|(id, session)| Some((used(session)?, *id)));
            match quiet.filter(|(used, _)| used.elapsed() >= EVICTABLE_AFTER).min() {
                Some((_, oldest)) => sessions.remove(&oldest),
                None => return NO_SESSION,
            };
        }
        loop {
            let id = rand::random_range(1..=i32::MAX);
            if let std::collections::hash_map::Entry::Vacant(vacant) = sessions.entry(id) {
                vacant.insert(Arc::new(Mutex::new(session)));
                return id;
            }
        }
    }

    /// Remembers what an answer said.
    pub(crate) fn told(&self, session_id: i32, told: Vec<(Wanted, Told)>) {
        if told.is_empty() {
            return;
        }
        let Some(session) = self.sessions.lock().get(&session_id).cloned() else { return };
        let mut session = session.lock();
        for (wanted, told) in told {
            if let Some(&place) = session.places.get(&wanted.key()) {
                session.partitions[place].1 = Some(told);
            }
        }
    }
}

fn fresh(wanted: Vec<Wanted>) -> Vec<(Wanted, Option<Told>)> {
    wanted.into_iter().map(|wanted| (wanted, None)).collect()
}

/// The partitions of a request, each once: of one that stands there twice the last one counts.
fn wanted(request: &FetchRequest) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut places: HashMap<SessionKey, usize> = HashMap::new();
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
            let place = *places.entry(wanted.key()).or_insert(all.len());
            match all.get_mut(place) {
                Some(earlier) => *earlier = wanted,
                None => all.push(wanted),
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use millstream_protocol::message::fetch::{FetchPartition, FetchTopic, ForgottenTopic};

    use super::*;

    fn request(session: (i32, i32), partitions: &[(i32, i64)], forgotten: &[i32]) -> FetchRequest {
        let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition { partition, fetch_offset, ..Default::default() };
        let topic = FetchTopic { topic: "t".into(), partitions: partitions.iter().map(partition).collect(), ..Default::default() };
        let gone = ForgottenTopic { topic: "t".into(), partitions: forgotten.to_vec(), ..Default::default() };
        FetchRequest {
            session_id: session.0,
            session_epoch: session.1,
            topics: vec![topic],
            forgotten_topics_data: vec![gone],
            ..Default::default()
        }
    }

    fn offsets(opened: &Opened) -> Vec<(i32, i64)> {
        opened.wanted.iter().map(|(wanted, _)| (wanted.partition, wanted.offset)).collect()
    }

    #[test]
    fn a_session_keeps_what_does_not_change() {
        let sessions = FetchSessions::new(10);
        let first = sessions.open(&request((0, 0), &[(0, 5), (1, 5), (2, 5), (1, 6)], &[])).unwrap();
        assert_eq!(offsets(&first), [(0, 5), (1, 6), (2, 5)], "of one that stands there twice the last one counts");
        let id = first.session_id;
        let told = Told { high_watermark: 9, start_offset: 0 };
        sessions.told(id, vec![(first.wanted[2].0.clone(), told)]);
        let next = sessions.open(&request((id, 1), &[(2, 7), (3, 0)], &[0])).unwrap();
        assert_eq!(offsets(&next), [(1, 6), (2, 7), (3, 0)]);
        assert_eq!(next.wanted[1].1, Some(told));
        let again = sessions.open(&request((id, 2), &[(3, 1)], &[])).unwrap();
        assert_eq!(offsets(&again), [(1, 6), (2, 7), (3, 1)]);
        assert_eq!(sessions.open(&request((id, 2), &[], &[])).unwrap_err(), FetchSessionError::WrongEpoch);
    }
}
