//! Share sessions (KIP-932): which partitions a member reads, request by request, and under which handle it holds records.
//!
//! A session belongs to a member of a group and to the connection that it was opened on. Its epoch counts requests, so that a request
//! that is lost or doubled is noticed. What a session holds is released when it ends: by its member, by another session of the same
//! member, or with its connection.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use millstream_protocol::{Str, TopicId};
use parking_lot::Mutex;
use thiserror::Error;

use super::place::ReadPlace;
use crate::limit;

/// The epoch that opens a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// The epoch that closes it.
pub(crate) const FINAL_EPOCH: i32 = -1;

/// Why a request is not of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SessionError {
    #[error("The share session was not found.")]
    NotFound,
    #[error("The share session epoch is invalid.")]
    WrongEpoch,
    #[error("The limit of share sessions has been reached.")]
    LimitReached,
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ShareSessionKey {
    pub group: Str,
    pub member: Str,
}

#[derive(Debug)]
struct ShareSession {
    owner: u32,
    epoch: i32,
    connection: u64,
    /// What it reads, the one that had its turn longest ago first.
    reads: Vec<ReadPlace>,
    /// What it may hold records of.
    touched: BTreeSet<ReadPlace>,
}

/// A session that is over: its owner's locks end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndedSession {
    pub group: Str,
    pub owner: u32,
    pub touched: BTreeSet<(TopicId, i32)>,
}

/// What a request may do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenedSession {
    pub owner: u32,
    /// What is to be read.
    pub reads: Vec<(TopicId, i32)>,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct ShareSessions {
    by_member: Mutex<HashMap<ShareSessionKey, ShareSession>>,
    next_owner: AtomicU32,
}

impl Default for ShareSessions {
    fn default() -> Self {
        ShareSessions { by_member: Mutex::default(), next_owner: AtomicU32::new(1) }
    }
}

impl ShareSessions {
    /// Opens a session; one that the member has is over.
    pub(crate) fn open(
        &self,
        key: &ShareSessionKey,
        connection: u64,
        reads: Vec<ReadPlace>,
        sessions_max: usize,
    ) -> Result<(OpenedSession, Option<EndedSession>), SessionError> {
        if reads.len() > limit::SHARE_SESSION_PARTITIONS_MAX {
            return Err(SessionError::LimitReached);
        }
        let mut sessions = self.by_member.lock();
        let ended = sessions.remove(key).map(|session| session.end(&key.group));
        if sessions.len() >= sessions_max {
            return Err(SessionError::LimitReached);
        }
        let owner = self.next_owner.fetch_add(1, Ordering::Relaxed);
        let key = ShareSessionKey { group: key.group.detached(), member: key.member.detached() };
        let touched = reads.iter().copied().collect();
        sessions.insert(key, ShareSession { owner, epoch: 1, connection, reads: reads.clone(), touched });
        Ok((OpenedSession { owner, reads }, ended))
    }

    /// The next request of a session. Reads are added, forgotten ones removed.
    pub(crate) fn go_on(
        &self,
        key: &ShareSessionKey,
        epoch: i32,
        added: &[ReadPlace],
        forgotten: &[ReadPlace],
    ) -> Result<OpenedSession, SessionError> {
        let mut sessions = self.by_member.lock();
        let session = sessions.get_mut(key).ok_or(SessionError::NotFound)?;
        if session.epoch != epoch {
            return Err(SessionError::WrongEpoch);
        }
        // What was forgotten counts too: records of it may be held.
        let new = added.iter().filter(|read| !session.touched.contains(*read)).count();
        if session.touched.len() + new > limit::SHARE_SESSION_PARTITIONS_MAX {
            return Err(SessionError::LimitReached);
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.reads.retain(|read| !forgotten.contains(read));
        for read in added {
            if session.touched.insert(*read) || !session.reads.contains(read) {
                session.reads.push(*read);
            }
        }
        // Another one is first the next time, so that a partition with much in it does not keep the others waiting.
        let opened = OpenedSession { owner: session.owner, reads: session.reads.clone() };
        if !session.reads.is_empty() {
            session.reads.rotate_left(1);
        }
        Ok(opened)
    }

    /// The handle of a session that its member closes. It is over with [`ShareSessions::close`], after its last acknowledgements.
    pub(crate) fn owner(&self, key: &ShareSessionKey) -> Result<u32, SessionError> {
        self.by_member.lock().get(key).map(|session| session.owner).ok_or(SessionError::NotFound)
    }

    pub(crate) fn close(&self, key: &ShareSessionKey) -> Option<EndedSession> {
        self.by_member.lock().remove(key).map(|session| session.end(&key.group))
    }

    /// The sessions of a connection that is gone.
    pub(crate) fn disconnect(&self, connection: u64) -> Vec<EndedSession> {
        let mut sessions = self.by_member.lock();
        sessions.extract_if(|_, session| session.connection == connection).map(|(key, session)| session.end(&key.group)).collect()
    }
}

impl ShareSession {
    fn end(self, group: &Str) -> EndedSession {
        EndedSession { group: group.clone(), owner: self.owner, touched: self.touched }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(member: &str) -> ShareSessionKey {
        ShareSessionKey { group: "g".into(), member: Str::from(member) }
    }

    fn read(partition: i32) -> ReadPlace {
        (TopicId([7; 16]), partition)
    }

    #[test]
    fn epochs_count_requests() {
        let sessions = ShareSessions::default();
        let (opened, ended) = sessions.open(&key("a"), 1, vec![read(0)], 10).unwrap();
        assert_eq!((opened.reads.clone(), ended), (vec![read(0)], None));
        assert_eq!(sessions.go_on(&key("a"), 1, &[read(1)], &[]).unwrap().reads, vec![read(0), read(1)]);
        assert_eq!(sessions.go_on(&key("a"), 1, &[], &[]), Err(SessionError::WrongEpoch), "doubled");
        assert_eq!(sessions.go_on(&key("a"), 3, &[], &[]), Err(SessionError::WrongEpoch), "one was lost");
        assert_eq!(sessions.go_on(&key("a"), 2, &[], &[]).unwrap().reads, vec![read(1), read(0)], "the other has its turn");
        assert_eq!(sessions.go_on(&key("a"), 3, &[], &[read(0)]).unwrap().reads, vec![read(1)]);
        assert_eq!(sessions.go_on(&key("b"), 1, &[], &[]), Err(SessionError::NotFound));
        sessions.by_member.lock().get_mut(&key("a")).unwrap().epoch = i32::MAX;
        sessions.go_on(&key("a"), i32::MAX, &[], &[]).unwrap();
        assert!(sessions.go_on(&key("a"), 1, &[], &[]).is_ok(), "0 opens sessions");
    }

    #[test]
    fn a_session_does_not_grow_without_end() {
        let sessions = ShareSessions::default();
        let most = limit::SHARE_SESSION_PARTITIONS_MAX as i32;
        let reads = |range: std::ops::Range<i32>| range.map(read).collect::<Vec<_>>();
        assert!(matches!(sessions.open(&key("a"), 1, reads(0..most + 1), 10), Err(SessionError::LimitReached)));
        sessions.open(&key("a"), 1, reads(0..most), 10).unwrap();
        assert_eq!(sessions.go_on(&key("a"), 1, &[read(most)], &reads(0..most)), Err(SessionError::LimitReached));
        assert!(sessions.go_on(&key("a"), 1, &[read(0)], &reads(1..most)).is_ok(), "it goes on as it was");
    }

    #[test]
    fn a_session_ends_with_all_that_it_may_hold() {
        let sessions = ShareSessions::default();
        let (first, _) = sessions.open(&key("a"), 1, vec![read(0)], 1).unwrap();
        sessions.go_on(&key("a"), 1, &[read(1)], &[read(0)]).unwrap();
        let (second, ended) = sessions.open(&key("a"), 2, vec![read(2)], 1).unwrap();
        let touched = BTreeSet::from([read(0), read(1)]);
        assert_eq!(ended, Some(EndedSession { group: "g".into(), owner: first.owner, touched }), "forgotten, it may hold records");
        assert!(matches!(sessions.open(&key("b"), 2, Vec::new(), 1), Err(SessionError::LimitReached)));
        assert!(sessions.disconnect(1).is_empty());
        assert_eq!(
            sessions.disconnect(2),
            vec![EndedSession { group: "g".into(), owner: second.owner, touched: BTreeSet::from([read(2)]) }]
        );
        assert_eq!(sessions.owner(&key("a")), Err(SessionError::NotFound));
    }
}
