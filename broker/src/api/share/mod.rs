//! Share groups (KIP-932): members come and go, acquire records and say what became of them, and those who look after such groups describe
//! them and move them. One file an API, with the name of its message. What is the same for all groups is in `group`.

pub(crate) mod alter_share_group_offsets;
pub(crate) mod delete_share_group_offsets;
pub(crate) mod describe_share_group_offsets;
pub(crate) mod share_acknowledge;
pub(crate) mod share_fetch;
pub(crate) mod share_group_describe;
pub(crate) mod share_group_heartbeat;
