//! Why the coordinator of groups does not do what it is asked for.

use millstream_protocol::Str;
use millstream_protocol::message::join_group::JoinGroupResponse;
use millstream_protocol::message::sync_group::SyncGroupResponse;
use thiserror::Error;

use crate::journal::JournalError;

/// Why a client is not taken for a member, or for one that may do this now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum MemberError {
    #[error("no group can have this id")]
    InvalidGroupId,
    #[error("the session timeout is out of the range that the broker allows")]
    InvalidSessionTimeout,
    #[error("the group has no such member")]
    UnknownMember,
    /// Another member has come with the same lasting name.
    #[error("another member has this instance id")]
    InstanceFenced,
    /// Of the classic protocol.
    #[error("the generation is not that of the group")]
    StaleGeneration,
    /// The same in the consumer protocol.
    #[error("the epoch is not that of the member")]
    StaleEpoch,
    #[error("the protocols do not fit those of the group")]
    OtherProtocol,
    /// The member has to join again.
    #[error("the group is rebalancing")]
    Rebalancing,
    #[error("the group has no room for another member")]
    GroupFull,
    /// The member has to join again with the id that the answer names (KIP-394).
    #[error("the member has to join with its id")]
    IdRequired,
    #[error("the subscription cannot be read")]
    UnreadableSubscription,
}

/// A member that does not join, and the id that it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRefused {
    pub member_id: Str,
    pub error: MemberError,
}

/// What a member that joins a classic group waits for.
pub(crate) type JoinAnswer = Result<JoinGroupResponse, JoinRefused>;
/// What a member that asks for its share waits for.
pub(crate) type SyncAnswer = Result<SyncGroupResponse, MemberError>;

/// Why nothing is told of a group, or taken from it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum GroupError {
    #[error("The group id must not be empty.")]
    NoId,
    #[error("Group {0} not found.")]
    NotFound(Str),
    #[error("Group {0} is not a classic group.")]
    NotClassic(Str),
    #[error("Group {0} is not a consumer group.")]
    NotConsumer(Str),
    #[error("Group {0} is not a share group.")]
    NotShare(Str),
    #[error("The group has members.")]
    NotEmpty,
    /// What is taken would be back after a restart.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why no offset of a request is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum CommitError {
    #[error("the group id is too long")]
    GroupIdTooLong,
    #[error("there is no such group")]
    UnknownGroup,
    /// Requests of this version cannot name the epoch of a consumer.
    #[error("the version is older than the member's protocol")]
    VersionTooOld,
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why the offset of one partition is not committed, told or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum OffsetError {
    #[error("there is no such partition")]
    UnknownPartition,
    #[error("the metadata of the offset is too long")]
    MetadataTooLong,
    /// A transaction is open that may change it.
    #[error("the offset may change with a transaction")]
    Unstable,
    #[error("a member is subscribed to the topic")]
    Subscribed,
}

/// Why the heartbeat of a consumer is refused. The sentences are Kafka's, or like them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum HeartbeatError {
    #[error("GroupId can't be empty.")]
    NoGroupId,
    #[error("The group id is too long.")]
    GroupIdTooLong,
    #[error("InstanceId can't be empty.")]
    EmptyInstanceId,
    #[error("RackId can't be empty.")]
    EmptyRackId,
    #[error("MemberId can't be empty.")]
    NoMemberId,
    #[error("RebalanceTimeoutMs must be provided in first request.")]
    NoRebalanceTimeout,
    #[error("TopicPartitions must be empty when (re-)joining.")]
    JoiningWithPartitions,
    #[error("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")]
    NoSubscription,
    /// Only static members leave for a while.
    #[error("InstanceId can't be null.")]
    NoInstanceId,
    #[error("MemberEpoch is {0}, but must be greater than or equal to -2.")]
    ImpossibleEpoch(i32),
    #[error("ServerAssignor {asked} is not supported. Supported assignors: {supported}.")]
    UnsupportedAssignor { asked: Str, supported: String },
    #[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}.")]
    InvalidPattern { pattern: Str, reason: String },
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("Instance id {0} is unknown.")]
    UnknownInstance(Str),
    #[error("Member {0} is not a member of the group.")]
    UnknownMember(Str),
    #[error("Static member {member} with instance id {instance_id} cannot join: {owner} has it and has not left.")]
    InstanceInUse { member: Str, instance_id: Str, owner: Str },
    #[error("Member {member} is in the group already, and cannot take the place of {other}.")]
    HasAPlace { member: Str, other: Str },
    #[error("Static member {member} with instance id {instance_id} was fenced by {by}.")]
    InstanceFenced { member: Str, instance_id: Str, by: Str },
    /// Another member's place cannot be given up.
    #[error("Instance id {instance_id} belongs to {owner}.")]
    InstanceOfAnother { instance_id: Str, owner: Str },
    #[error("The consumer group has reached its maximum capacity of {0} members.")]
    GroupFull(usize),
    #[error(
        "The consumer group member has epoch {asked}, the group coordinator knows {known}. The member must abandon all its partitions and rejoin."
    )]
    EpochFenced { asked: i32, known: i32 },
}

/// Why the heartbeat of a member of a share group is refused. The sentences are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ShareHeartbeatError {
    #[error("Invalid member id in the request.")]
    InvalidMemberId,
    #[error("MemberId can't be empty.")]
    NoMemberId,
    #[error("GroupId can't be empty.")]
    NoGroupId,
    #[error("The group id is too long.")]
    GroupIdTooLong,
    #[error("RackId can't be empty.")]
    EmptyRackId,
    #[error("SubscribedTopicNames must be set in first request.")]
    NoSubscription,
    #[error("MemberEpoch is invalid.")]
    ImpossibleEpoch,
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Only who joins makes a group.
    #[error("Share group {0} not found.")]
    NoGroup(Str),
    #[error("Member {member} is not a member of group {group}.")]
    UnknownMember { member: Str, group: Str },
    #[error("The share group has reached its maximum capacity of {0} members.")]
    GroupFull(usize),
    #[error(
        "The share group member has a greater member epoch ({asked}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
    )]
    EpochAhead { asked: i32, known: i32 },
    #[error(
        "The share group member has a smaller member epoch ({asked}) than the one known by the group coordinator ({known}), and it does not match the previous member epoch ({previous}). The member must abandon all its partitions and rejoin."
    )]
    EpochBehind { asked: i32, known: i32, previous: i32 },
}
