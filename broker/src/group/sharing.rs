//! Members of share groups: joining, showing that they are there, leaving; and what the records' half (`share`) asks of such a group.

use millstream_protocol::Str;
use millstream_protocol::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};

use super::classic::Now;
use super::entries::share_entry;
use super::error::{GroupError, ShareHeartbeatError};
use super::share::{self, LEAVE, Share, ShareSurroundings};
use super::shelf::{Group, GroupKind};
use super::{Client, Groups, is_group_id};
use crate::config::share::{DEAD_LETTER_COPY, DEAD_LETTER_TOPIC, DeadLetterTopic, ShareSettings};
use crate::journal::JournalEntry;

impl Groups {
    /// What holds for a share group, whether or not it is there.
    pub(crate) fn share_settings(&self, id: &str) -> ShareSettings {
        self.owns.holding_share(id, self.of_all_shared())
    }

    /// Where the dead letters of a group go.
    pub(crate) fn dead_letter_topic(&self, id: &str) -> Option<DeadLetterTopic> {
        let set = self.properties(id);
        let name = set.get(DEAD_LETTER_TOPIC).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())?;
        Some(DeadLetterTopic { name, is_copying: set.get(DEAD_LETTER_COPY).is_some_and(|copy| copy.eq_ignore_ascii_case("true")) })
    }

    /// Does something with a share group that is there, which nobody joins or leaves meanwhile; `act` is told whether it is empty.
    pub(crate) fn with_share_group<R>(&self, id: &Str, act: impl FnOnce(bool) -> R) -> Result<R, GroupError> {
        let done = self.look(id, |group, _| match &group.kind {
            GroupKind::Share(share) => Ok(act(share.members.is_empty())),
            GroupKind::Classic(_) | GroupKind::Consumer(_) => Err(GroupError::NotShare(id.clone())),
        });
        done.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// Does something with a share group without members, which nobody joins meanwhile. It is made if it is not there, unless `act` fails.
    pub(crate) fn with_empty_share_group<R, E: From<GroupError>>(&self, id: &Str, act: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.with_new(
            id,
            |_| GroupKind::Share(Share::new()),
            |group, _, entries| match &group.kind {
                GroupKind::Share(share) if share.members.is_empty() => {
                    let done = act()?;
                    if share.is_unused() && !group.is_kept {
                        entries.push(share_entry(id, share));
                    }
                    group.is_kept = true;
                    Ok(done)
                }
                GroupKind::Share(_) => Err(GroupError::NotEmpty.into()),
                GroupKind::Classic(_) | GroupKind::Consumer(_) => Err(GroupError::NotShare(id.clone()).into()),
            },
        )
    }

    /// A member of a share group: joins, goes on, or leaves.
    pub(crate) fn share_heartbeat(
        &self,
        request: &ShareGroupHeartbeatRequest,
        client: Client,
    ) -> Result<ShareGroupHeartbeatResponse, ShareHeartbeatError> {
        share::check(request)?;
        if !is_group_id(&request.group_id) {
            return Err(ShareHeartbeatError::GroupIdTooLong);
        }
        let id = &request.group_id;
        if request.member_epoch == LEAVE {
            self.share_leave(request)?;
            let member_id = Some(request.member_id.clone());
            return Ok(ShareGroupHeartbeatResponse { member_id, member_epoch: LEAVE, ..Default::default() });
        }
        let act = |group: &mut Group, now: &Now, entries: &mut Vec<JournalEntry>| {
            let GroupKind::Share(share) = &mut group.kind else { return Err(GroupError::NotShare(id.clone()).into()) };
            let before = share.to_value();
            // Of two requests the later one knows no older topics.
            let listing = self.catalog.listing();
            let settings = self.share_settings(id);
            let world = ShareSurroundings { now_ms: now.ms, listing: &listing, settings, size_max: self.settings.share_size_max };
            let answer = share.heartbeat(request, client, &world);
            if share.to_value() != before {
                entries.push(share_entry(id, share));
            }
            answer
        };
        if request.member_epoch == 0 {
            return self.with_new(id, |_| GroupKind::Share(Share::new()), act);
        }
        self.with(id, act).unwrap_or_else(|| Err(ShareHeartbeatError::NoGroup(id.clone())))
    }

    fn share_leave(&self, request: &ShareGroupHeartbeatRequest) -> Result<(), ShareHeartbeatError> {
        let id = &request.group_id;
        let left = self.with(id, |group, now, entries| {
            let GroupKind::Share(share) = &mut group.kind else { return Err(GroupError::NotShare(id.clone()).into()) };
            share.leave(request, now.ms)?;
            entries.push(share_entry(id, share));
            Ok(())
        });
        left.unwrap_or_else(|| Err(GroupError::NotFound(id.clone()).into()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::broker::Broker;
    use crate::clock::Clock;
    use crate::config::BrokerSettings;
    use crate::config::share::ShareOffsetReset;
    use crate::disk::simulated::SimulatedDisk;
    use crate::journal::JournalError;

    fn open(disk: &SimulatedDisk) -> Arc<Broker> {
        let settings = BrokerSettings::new(Default::default()).unwrap();
        Broker::open_on(Path::new("/data"), settings, Arc::new(disk.clone()), Clock::manual(1_000_000)).unwrap()
    }

    fn joining(group: &Str) -> ShareGroupHeartbeatRequest {
        let subscribed_topic_names = Some(vec!["a".into()]);
        ShareGroupHeartbeatRequest { group_id: group.clone(), member_id: "m".into(), subscribed_topic_names, ..Default::default() }
    }

    #[test]
    fn a_group_that_somebody_moved_is_there() {
        let (disk, id) = (SimulatedDisk::new(), Str::from("g"));
        let mut broker = open(&disk);
        let refused = broker.groups.with_empty_share_group(&id, || Err::<(), _>(GroupError::NoId));
        assert_eq!((refused, broker.groups.list().len()), (Err(GroupError::NoId), 0), "it is not made for nothing");
        assert_eq!(broker.groups.with_share_group(&id, |is_empty| is_empty), Err(GroupError::NotFound(id.clone())));
        assert_eq!(broker.groups.with_empty_share_group(&id, || Ok::<_, GroupError>(7)), Ok(7));
        for _ in 0..2 {
            assert_eq!(broker.groups.list()[0].state, "Empty");
            assert_eq!(broker.groups.with_share_group(&id, |is_empty| is_empty), Ok(true));
            broker = open(&disk);
        }
        broker.groups.share_heartbeat(&joining(&id), Client::default()).unwrap();
        assert_eq!(broker.groups.with_share_group(&id, |is_empty| is_empty), Ok(false));
        assert_eq!(broker.groups.with_empty_share_group(&id, || Ok::<_, GroupError>(7)), Err(GroupError::NotEmpty));
    }

    #[test]
    fn a_group_stays_while_what_it_has_read_cannot_be_forgotten() {
        let (disk, id) = (SimulatedDisk::new(), Str::from("g"));
        let broker = open(&disk);
        broker.groups.with_empty_share_group(&id, || Ok::<_, GroupError>(())).unwrap();
        let error = broker.groups.delete(&id, |_| Err(JournalError::NotAppended)).unwrap_err();
        assert!(matches!(error, GroupError::Journal(_)));
        let mut forgotten = None;
        let forget = |id: &Str| {
            forgotten = Some(id.clone());
            Ok(())
        };
        broker.groups.delete(&id, forget).unwrap();
        assert_eq!((forgotten, broker.groups.list().len()), (Some(id), 0));
        assert!(open(&disk).groups.list().is_empty());
    }

    #[test]
    fn what_is_set_on_a_group_holds_for_it() {
        let broker = open(&SimulatedDisk::new());
        let set = |name: &str, value: &str| {
            let alter = |set: &mut crate::config::Properties| {
                set.insert(name.into(), value.into());
                Ok::<(), crate::group::PropertiesError>(())
            };
            broker.groups.alter_properties("g", false, alter).unwrap();
        };
        set("share.record.lock.duration.ms", "15000");
        set("share.auto.offset.reset", "by_duration:PT1H");
        set("share.isolation.level", "read_committed");
        set("share.renew.acknowledge.enable", "false");
        set("share.delivery.count.limit", "10");
        set("share.partition.max.record.locks", "100");
        let (own, of_all) = (broker.groups.share_settings("g"), broker.groups.share_settings("other"));
        assert_eq!((own.record_lock_ms, own.deliveries_max, own.record_locks_max), (15_000, 10, 100));
        assert_eq!((own.offset_reset, own.is_read_committed, own.is_renew_enabled), (ShareOffsetReset::ByDuration(3_600_000), true, false));
        assert_eq!((of_all.record_lock_ms, of_all.deliveries_max, of_all.record_locks_max), (30_000, 5, 2000));
        assert_eq!((of_all.offset_reset, of_all.is_read_committed, of_all.is_renew_enabled), (ShareOffsetReset::Latest, false, true));
        assert_eq!(own.session_timeout_ms, 45_000);
    }
}
