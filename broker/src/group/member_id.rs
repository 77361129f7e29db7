//! Ids that the coordinator gives to members.

/// A random id that the broker gives out, in the usual form.
pub(super) fn uuid() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
