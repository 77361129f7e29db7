//! The form in which a group is kept, and the way back from it after a start.

use millstream_protocol::Str;

use super::member::ClassicMember;
use super::{Classic, ClassicState};
use crate::group::Client;
use crate::group::record::{ClassicMemberValue, ClassicValue};

impl Classic {
    /// A group as an earlier process kept it. Its members have a whole session to show that they are there.
    pub(in crate::group) fn restored(value: ClassicValue, now_ms: i64) -> Self {
        let mut group = Classic::new(value.changed_ms);
        group.generation = value.generation;
        group.protocol_type = value.protocol_type.map(Into::into);
        group.protocol_name = value.protocol_name.map(Into::into);
        group.leader = value.leader.map(Into::into);
        for member in value.members {
            let id = Str::from(member.id);
            let instance_id = member.instance_id.map(Str::from);
            if let Some(instance) = &instance_id {
                group.by_instance.insert(instance.clone(), id.clone());
            }
            let restored = ClassicMember {
                instance_id,
                client: Client { id: member.client_id.into(), host: member.client_host.into() },
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: member.protocols.into_iter().map(|(name, metadata)| (name.into(), metadata.into())).collect(),
                assignment: member.assignment.into(),
                joining: None,
                syncing: None,
                has_synced: true,
                is_new: false,
                deadline_ms: now_ms + member.session_timeout_ms,
            };
            group.members.insert(id, restored);
        }
        group.state = if group.members.is_empty() { ClassicState::Empty } else { ClassicState::Stable };
        group
    }

    /// What is kept of it.
    pub(in crate::group) fn to_value(&self) -> ClassicValue {
        let member = |(id, member): (&Str, &ClassicMember)| ClassicMemberValue {
            id: id.to_string(),
            instance_id: member.instance_id.as_ref().map(ToString::to_string),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            protocols: member.protocols.iter().map(|(name, metadata)| (name.to_string(), metadata.to_vec())).collect(),
            assignment: member.assignment.to_vec(),
        };
        ClassicValue {
            protocol_type: self.protocol_type.as_ref().map(ToString::to_string),
            protocol_name: self.protocol_name.as_ref().map(ToString::to_string),
            generation: self.generation,
            leader: self.leader.as_ref().map(ToString::to_string),
            changed_ms: self.changed_ms,
            members: self.members.iter().map(member).collect(),
        }
    }
}
